package chaos

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"

	"github.com/nats-io/nats-server/v2/server"
)

// serverConfig is what a server process is told.
type serverConfig struct {
	Name, Dir   string
	Port        int
	ClusterPort int
	Routes      []string // none: not a cluster
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
