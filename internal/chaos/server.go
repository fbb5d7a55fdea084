package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// serverConfig is what a server process is told.
type serverConfig struct {
	Name, Dir   string
	Port        int
	ClusterPort int
	Routes      []string // none: not a cluster
	Store       int      // how much it keeps on the disk, in MB
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

// Rights of User, in the words of the server's configuration.
const (
	everyRight = `{ publish = ">", subscribe = ">" }`
	noRight    = `{ publish = { deny = ">" }, subscribe = { deny = ">" } }`
)

// config is the server's own configuration. Guest is one whom no fault concerns.
func (c serverConfig) config(password, rights string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "server_name = %q\nlisten = \"127.0.0.1:%d\"\n", c.Name, c.Port)
	fmt.Fprintf(&text, "jetstream { store_dir = %q, max_memory_store = 256MB, max_file_store = %dMB }\n", c.Dir, c.Store)
	fmt.Fprintf(&text, "authorization { users = [\n { user = %q, password = %q, permissions = %s }\n { user = guest, password = guest } ] }\n",
		User, password, rights)
	if len(c.Routes) > 0 {
		fmt.Fprintf(&text, "cluster { name = chaos, listen = \"127.0.0.1:%d\", routes = [ %s ] }\n", c.ClusterPort, strings.Join(c.Routes, ", "))
	}
	fmt.Fprintf(&text, "tls { cert_file = %q, key_file = %q }\nallow_non_tls = true\n", c.Dir+".crt", c.Dir+".key")
	return text.String()
}

// path is where the configuration is.
func (c serverConfig) path() string { return c.Dir + ".conf" }

// write writes it.
func (c serverConfig) write(password, rights string) error {
	return os.WriteFile(c.path(), []byte(c.config(password, rights)), 0o600)
}

// serve is the role of a server: it ends when it is killed, and reads its configuration again when
// it gets a SIGHUP.
func serve(path string) error {
	opts, err := server.ProcessConfigFile(path)
	if err != nil {
		return err
	}
	opts.NoLog = true
	if opts.Cluster.Name != "" { // A file can't say less than 30 s. Who reads it again must not find another value.
		opts.LameDuckDuration, opts.LameDuckGracePeriod = 4*time.Second, 3*time.Second
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	s.Start()
	s.WaitForShutdown()
	return nil
}
