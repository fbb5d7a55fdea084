package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gentask/gentask/internal/brokertest"
)

// RabbitMQ is a cluster of private nodes; one node is a cluster too. Its methods are for one
// goroutine.
type RabbitMQ struct {
	home     *home
	programs brokertest.RabbitMQPrograms
	epmdPort int
	tlsPort  int // of a cluster of one node
	tls      *authority
	nodes    []*node
}

// node is one server, which may be down.
type node struct {
	name     string
	port     int
	distPort int
	process  *process
}

// User and Password belong to the user that has all rights, until a fault withdraws them.
const (
	User     = "worker"
	Password = "right"
)

// StartRabbitMQ starts a cluster of n nodes, of the version in [brokertest.RabbitMQVersionEnv], and
// returns when they answer.
func StartRabbitMQ(n int) (*RabbitMQ, error) {
	programs, err := brokertest.FindRabbitMQPrograms("")
	if err != nil {
		return nil, err
	}
	h, err := newHome()
	if err != nil {
		return nil, err
	}
	r := &RabbitMQ{home: h, programs: programs}
	if err := r.begin(n); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *RabbitMQ) begin(n int) error {
	ports, err := brokertest.FreePorts(2 + 2*n)
	if err != nil {
		return err
	}
	r.epmdPort, r.tlsPort = ports[0], ports[1+2*n]
	if r.tls, err = newAuthority(); err != nil {
		return err
	}
	if err := r.tls.issue(r.home.path("broker")); err != nil {
		return err
	}
	for i := range n {
		name := fmt.Sprintf("gentask-chaos-%d-%d-%d@localhost", os.Getpid(), ports[0], i+1)
		r.nodes = append(r.nodes, &node{name: name, port: ports[1+2*i], distPort: ports[2+2*i]})
	}
	if err := r.writeConfig(); err != nil {
		return err
	}
	if err := r.startEPMD(); err != nil {
		return err
	}
	if !r.Before(4, 0) { // whose nodes wait for each other, before they form a cluster
		for _, n := range r.nodes {
			if err := r.launch(n); err != nil {
				return err
			}
		}
	}
	for i := range n {
		if err := r.Start(i); err != nil {
			return err
		}
	}
	if err := r.Ctl("add_user", User, Password); err != nil {
		return err
	}
	return r.GiveRights()
}

// writeConfig writes the configuration of the nodes. A node that starts for the first time joins
// those that run.
func (r *RabbitMQ) writeConfig() error {
	var text strings.Builder
	text.WriteString("log.file.level = warning\ndisk_free_limit.absolute = 50MB\nvm_memory_high_watermark.absolute = 4GB\n")
	text.WriteString("cluster_formation.peer_discovery_backend = classic_config\n")
	if r.Before(4, 0) { // which has no such delay, and does not start with a setting that it doesn't know
		text.WriteString("cluster_formation.randomized_startup_delay_range.min = 0\ncluster_formation.randomized_startup_delay_range.max = 1\n")
	}
	if len(r.nodes) == 1 {
		fmt.Fprintf(&text, "listeners.ssl.default = 127.0.0.1:%d\nssl_options.cacertfile = %s\nssl_options.certfile = %s\nssl_options.keyfile = %s\n",
			r.tlsPort, r.home.path("broker.ca"), r.home.path("broker.crt"), r.home.path("broker.key"))
	} else {
		for i, n := range r.nodes {
			fmt.Fprintf(&text, "cluster_formation.classic_config.nodes.%d = %s\n", i+1, n.name)
		}
	}
	if err := os.WriteFile(r.home.path("rabbitmq.conf"), []byte(text.String()), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(r.home.path("advanced.config"), []byte(hurriedHops), 0o600); err != nil {
		return err
	}
	return os.WriteFile(r.home.path("plugins"), []byte("[].\n"), 0o600)
}

// hurriedHops has a node repeat a hop that found no queue, or a full one, after two seconds instead
// of three minutes. Hops find none when a message comes due while the broker starts.
const hurriedHops = "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 2000}]}].\n"

// startEPMD starts the nodes' own directory of names: the machine's may belong to another user, and
// would outlive us.
func (r *RabbitMQ) startEPMD() error {
	port := strconv.Itoa(r.epmdPort)
	p, err := r.home.start("epmd", exec.Command(r.programs.Path("epmd"), "-address", "127.0.0.1", "-port", port)) //nolint:gosec // a number
	if err != nil {
		return fmt.Errorf("%w (on Debian: apt-get install rabbitmq-server)", err)
	}
	return await("epmd", func() error {
		if !p.running() {
			return errEnded
		}
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err
	})
}

// Start starts node i, from 0, on its data, and returns when it answers. Starting one that runs
// does nothing.
func (r *RabbitMQ) Start(i int) error {
	n := r.nodes[i]
	if err := r.launch(n); err != nil {
		return err
	}
	err := await("node "+n.name, func() error {
		if !n.process.running() {
			return errEnded
		}
		return n.answers()
	})
	if err != nil {
		return fmt.Errorf("%w; it said: %s", err, r.home.output(n.short()))
	}
	return nil
}

// launch starts the process of a node, unless it runs.
func (r *RabbitMQ) launch(n *node) error {
	if n.process != nil && n.process.running() {
		return nil
	}
	cmd := exec.Command(r.programs.Path("rabbitmq-server")) //nolint:gosec // of this machine
	cmd.Env = r.environment(n)
	p, err := r.home.start(n.short(), cmd)
	if err == nil {
		n.process = p
	}
	return err
}

// Before reports whether the servers are older than that release.
func (r *RabbitMQ) Before(major, minor int) bool {
	var found, foundMinor int
	if _, err := fmt.Sscanf(r.programs.Version(), "%d.%d", &found, &foundMinor); err != nil {
		return true // one that Debian did not pack is the machine's own
	}
	return found < major || found == major && foundMinor < minor
}

func (n *node) short() string { return strings.TrimSuffix(n.name, "@localhost") }

// answers reports whether a server speaks AMQP there, even if it refuses the login.
func (n *node) answers() error {
	conn, err := amqp.DialConfig(n.url("guest", "guest", "/"), amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		return err
	}
	return conn.CloseDeadline(time.Now().Add(5 * time.Second))
}

func (n *node) url(user, password, vhost string) string {
	return fmt.Sprintf("amqp://%s:%s@127.0.0.1:%d/%s", user, password, n.port, strings.TrimPrefix(vhost, "/"))
}

func (r *RabbitMQ) environment(n *node) []string {
	dir := filepath.Join(r.home.dir, n.short())
	return append(r.programs.Environ(),
		"HOME="+r.home.dir, // with the cookie
		"ERL_EPMD_PORT="+strconv.Itoa(r.epmdPort),
		"RABBITMQ_NODENAME="+n.name,
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_NODE_PORT="+strconv.Itoa(n.port),
		"RABBITMQ_DIST_PORT="+strconv.Itoa(n.distPort),
		"RABBITMQ_MNESIA_BASE="+filepath.Join(dir, "data"),
		"RABBITMQ_LOG_BASE="+filepath.Join(dir, "log"),
		"RABBITMQ_PID_FILE="+filepath.Join(dir, "pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+r.home.path("plugins"),
		"RABBITMQ_CONFIG_FILE="+r.home.path("rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE="+r.home.path("advanced.config"),
		"RABBITMQ_CONF_ENV_FILE="+r.home.path("none"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	)
}

// ctlTime bounds one call of rabbitmqctl.
const ctlTime = 3 * time.Minute

// Ctl runs rabbitmqctl against the first node that runs.
func (r *RabbitMQ) Ctl(args ...string) error {
	for _, n := range r.nodes {
		if n.process != nil && n.process.running() {
			return r.ctl(n, args...)
		}
	}
	return errors.New("chaos: no node runs")
}

func (r *RabbitMQ) ctl(n *node, args ...string) error { return r.run("rabbitmqctl", n, args...) }

// run runs one of the server's own programs for a node. A node that has started listens before it
// takes orders.
func (r *RabbitMQ) run(program string, n *node, args ...string) error {
	for end := time.Now().Add(ctlTime); ; pause(nil, 100*time.Millisecond) {
		out, err := r.runOnce(program, n, args...)
		if err == nil {
			return nil
		}
		if starts := strings.Contains(out, "requires the 'rabbit' app to be running"); !starts || time.Now().After(end) {
			return fmt.Errorf("chaos: %s %s: %w: %s", program, strings.Join(args, " "), err, out)
		}
	}
}

func (r *RabbitMQ) runOnce(program string, n *node, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), ctlTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.programs.Path(program), append([]string{"-q", "-n", n.name}, args...)...) //nolint:gosec // our own arguments
	cmd.Env = r.environment(n)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Close ends all nodes and removes their files.
func (r *RabbitMQ) Close() error {
	for _, n := range r.nodes {
		if n.process != nil {
			n.process.kill()
		}
	}
	return r.home.close()
}
