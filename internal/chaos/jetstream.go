package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// JetStream is a cluster of private NATS servers with JetStream, each a process of its own, so that it can be killed. One server is a cluster
// too. Its methods are for one goroutine.
type JetStream struct {
	home    *home
	servers []serverConfig
	running []*process
}

// serverConfig is what a server process is told.
type serverConfig struct {
	Name, Dir   string
	Port        int
	ClusterPort int
	Routes      []string // none: not a cluster
}

// roleEnv tells a process of the test binary what it is, see Child; configEnv tells it more.
const (
	roleEnv   = "GENTASK_CHAOS_ROLE"
	configEnv = "GENTASK_CHAOS_CONFIG"
)

// StartJetStream starts n servers and returns when they answer. It starts the program that calls it, so that has to call Child first.
func StartJetStream(n int) (*JetStream, error) {
	h, err := newHome()
	if err != nil {
		return nil, err
	}
	j := &JetStream{home: h, running: make([]*process, n)}
	if err := j.begin(n); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

func (j *JetStream) begin(n int) error {
	ports, err := freePorts(2 * n)
	if err != nil {
		return err
	}
	var routes []string
	for i := range n {
		if n > 1 {
			routes = append(routes, "nats://127.0.0.1:"+strconv.Itoa(ports[2*i+1]))
		}
	}
	for i := range n {
		name := "nats-" + strconv.Itoa(i+1)
		j.servers = append(j.servers, serverConfig{Name: name, Dir: j.home.path(name), Port: ports[2*i], ClusterPort: ports[2*i+1], Routes: routes})
		if err := j.launch(i); err != nil {
			return err
		}
	}
	for i := range n {
		if err := j.Start(i); err != nil {
			return err
		}
	}
	return nil
}

// Start starts server i, from 0, on its data, and returns when JetStream answers. Starting one that runs does nothing.
func (j *JetStream) Start(i int) error {
	if !j.running[i].running() {
		if err := j.launch(i); err != nil {
			return err
		}
	}
	err := await(j.servers[i].Name, func() error { return j.answers(i) })
	if err != nil {
		return fmt.Errorf("%w; it said: %s", err, j.home.output(j.servers[i].Name))
	}
	return nil
}

func (j *JetStream) launch(i int) error {
	config, err := json.Marshal(j.servers[i])
	if err != nil {
		return err
	}
	cmd, err := self("jetstream", string(config))
	if err != nil {
		return err
	}
	j.running[i], err = j.home.start(j.servers[i].Name, cmd)
	return err
}

// answers says whether JetStream serves there.
func (j *JetStream) answers(i int) error {
	conn, err := natsgo.Connect(j.URL(i), natsgo.NoReconnect(), natsgo.Timeout(time.Second))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	ctx, cancel := within(time.Second)
	defer cancel()
	_, err = js.AccountInfo(ctx)
	return err
}

// URL is where server i serves.
func (j *JetStream) URL(i int) string { return "nats://127.0.0.1:" + strconv.Itoa(j.servers[i].Port) }

// Kill kills server i, as kill -9 does, and returns when it is gone.
func (j *JetStream) Kill(i int) { j.running[i].kill() }

// Close ends all servers and removes their files.
func (j *JetStream) Close() error {
	for _, p := range j.running {
		if p != nil {
			p.kill()
		}
	}
	return j.home.close()
}

// self is this program in another role.
func self(role, config string) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path) //nolint:gosec // ourselves
	cmd.Env = append(os.Environ(), roleEnv+"="+role, configEnv+"="+config)
	return cmd, nil
}

// serve is the role of a server: it ends when it is killed.
func serve(config string) error {
	var c serverConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	opts := &server.Options{
		ServerName: c.Name, Host: "127.0.0.1", Port: c.Port, JetStream: true, StoreDir: c.Dir, NoSigs: true, NoLog: true,
		JetStreamMaxMemory: 256 << 20, JetStreamMaxStore: 4 << 30,
	}
	for _, route := range c.Routes {
		at, err := url.Parse(route)
		if err != nil {
			return err
		}
		opts.Routes = append(opts.Routes, at)
	}
	if len(c.Routes) > 0 {
		opts.Cluster = server.ClusterOpts{Name: "chaos", Host: "127.0.0.1", Port: c.ClusterPort}
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.Start()
	s.WaitForShutdown()
	return nil
}
