package chaos

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/internal/brokertest"
)

// JetStream is a cluster of private NATS servers with JetStream, each a process of its own, so that
// it can be killed. One server is a cluster too. Its methods are for one goroutine.
type JetStream struct {
	home    *home
	tls     *authority
	servers []serverConfig
	running []*process
}

// roleEnv is the role of a process of the test binary: see Child. configEnv has its configuration.
const (
	roleEnv   = "GENTASK_CHAOS_ROLE"
	configEnv = "GENTASK_CHAOS_CONFIG"
)

// StartJetStream starts n servers and returns when they answer. It starts the program that calls
// it, so that has to call Child first.
func StartJetStream(n int) (*JetStream, error) { return startJetStream(n, 4096) }

// startJetStream starts servers that keep so many MB on the disk.
func startJetStream(n, store int) (*JetStream, error) {
	h, err := newHome()
	if err != nil {
		return nil, err
	}
	j := &JetStream{home: h, running: make([]*process, n)}
	if err := j.begin(n, store); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

func (j *JetStream) begin(n, store int) error {
	ports, err := brokertest.FreePorts(2 * n)
	if err != nil {
		return err
	}
	if j.tls, err = newAuthority(); err != nil {
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
		j.servers = append(j.servers, serverConfig{
			Name: name, Dir: j.home.path(name), Port: ports[2*i], ClusterPort: ports[2*i+1], Routes: routes, Store: store,
		})
		if err := j.tls.issue(j.home.path(name)); err != nil {
			return err
		}
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

// Start starts server i, from 0, on its data, and returns when JetStream answers. Starting one that
// runs does nothing.
func (j *JetStream) Start(i int) error {
	if !j.running[i].running() {
		if err := j.launch(i); err != nil {
			return err
		}
	}
	err := await(j.servers[i].Name, func() error {
		if !j.running[i].running() {
			return errEnded
		}
		return j.answers(i)
	})
	if err != nil {
		return fmt.Errorf("%w; it said: %s", err, j.home.output(j.servers[i].Name))
	}
	return nil
}

func (j *JetStream) launch(i int) error {
	if err := j.servers[i].write(Password, everyRight); err != nil {
		return err
	}
	cmd, err := self("jetstream", j.servers[i].path())
	if err != nil {
		return err
	}
	j.running[i], err = j.home.start(j.servers[i].Name, cmd)
	return err
}

// answers reports whether JetStream serves there.
func (j *JetStream) answers(i int) error {
	conn, err := natsgo.Connect(j.guestURL(i), natsgo.NoReconnect(), natsgo.Timeout(time.Second))
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

// URL is where User logs in to server i.
func (j *JetStream) URL(i int) string { return j.url(i, User, Password) }

// TLSURL is the same with TLS.
func (j *JetStream) TLSURL(i int) string { return strings.Replace(j.URL(i), "nats:", "tls:", 1) }

// guestURL is the same for one whom no fault concerns.
func (j *JetStream) guestURL(i int) string { return j.url(i, "guest", "guest") }

func (j *JetStream) url(i int, user, password string) string {
	return fmt.Sprintf("nats://%s:%s@127.0.0.1:%d", user, password, j.servers[i].Port)
}

// URLs are all servers, as a client takes them.
func (j *JetStream) URLs() string {
	var all []string
	for i := range j.servers {
		all = append(all, j.URL(i))
	}
	return strings.Join(all, ",")
}

// Leader returns the server that leads the stream of a queue; the consumer may be led by another.
// It returns an error if one of the two has no leader.
func (j *JetStream) Leader(name string) (int, error) {
	conn, err := natsgo.Connect(j.URLs(), natsgo.NoReconnect(), natsgo.Timeout(time.Second))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return 0, err
	}
	ctx, cancel := within(leaderTime)
	defer cancel()
	c, err := js.Consumer(ctx, name, "gentask")
	if err != nil {
		return 0, err
	}
	s, err := js.Stream(ctx, name)
	if err != nil {
		return 0, err
	}
	if s.CachedInfo().Cluster == nil || c.CachedInfo().Cluster == nil {
		return 0, errors.New("chaos: not a cluster")
	}
	return slices.IndexFunc(j.servers, func(one serverConfig) bool { return one.Name == s.CachedInfo().Cluster.Leader }), nil
}

// leaderTime bounds the question; while there is no leader it is not answered.
const leaderTime = 150 * time.Millisecond

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
