package brokertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// startTime is the most time for a private broker to start. On a busy machine with two cores it
// takes ten seconds.
const startTime = 90 * time.Second

// guard starts the broker, with its own epmd, and waits until its own standard input ends, which
// happens when the test process ends, in any way. Then it kills both and removes their directory.
// It needs no help from TestMain. The machine's epmd may belong to another version of Erlang, and
// one started for this broker would outlive it.
const guard = `"$3" -address 127.0.0.1 -port "$ERL_EPMD_PORT" >/dev/null 2>&1 </dev/null & names=$!
"$1" >"$2/stdout" 2>"$2/stderr" </dev/null & broker=$!
cat >/dev/null; kill $broker; wait $broker; kill $names; rm -rf "$2"`

// startRabbitMQ starts a broker of the version with its own node name, ports and directory.
func startRabbitMQ(version string) (string, error) {
	programs, err := FindRabbitMQPrograms(version)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "gentask-rabbitmq-")
	if err != nil {
		return "", err
	}
	ports, err := FreePorts(3)
	if err != nil {
		return "", err
	}
	server := programs.Path("rabbitmq-server")
	//nolint:gosec // the paths of this machine's programs
	cmd := exec.Command("/bin/sh", "-c", guard, "guard", server, dir, programs.Path("epmd"))
	cmd.Env = append(programs.Environ(), settings(dir, ports)...)
	input, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	keep(input) // never closed by this process, so that it ends with the process
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start %s: %w", server, err)
	}
	at := fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", ports[0])
	if err := await(at); err != nil {
		return "", fmt.Errorf("%s did not answer within %v (its output is in %s): %w", server, startTime, dir, err)
	}
	return at, nil
}

// kept is what must live as long as the test process: the garbage collector closes a pipe without a
// reference, and the broker at its other end would be gone in the middle of a test.
var kept struct {
	sync.Mutex
	all []any
}

func keep(what any) {
	kept.Lock()
	defer kept.Unlock()
	kept.all = append(kept.all, what)
}

// settings returns the environment of a broker that shares nothing with others on the machine.
func settings(dir string, ports []int) []string {
	return []string{
		"HOME=" + dir,
		fmt.Sprintf("RABBITMQ_NODENAME=gentask-%d-%d@localhost", os.Getpid(), ports[0]),
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_NODE_PORT=%d", ports[0]),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", ports[1]),
		fmt.Sprintf("ERL_EPMD_PORT=%d", ports[2]),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "data"),
		"RABBITMQ_LOG_BASE=" + filepath.Join(dir, "log"),
		"RABBITMQ_PID_FILE=" + filepath.Join(dir, "pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(dir, "plugins"),
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(dir, "rabbitmq"),
		"RABBITMQ_CONF_ENV_FILE=" + filepath.Join(dir, "env"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + filepath.Join(dir, "advanced"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
	}
}

// await returns nil when the broker at the URL answers, and the last error after startTime.
func await(at string) error {
	deadline := time.Now().Add(startTime)
	for {
		err := probe(at)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

var errNoPorts = errors.New("brokertest: no free ports between 20000 and 32000")

// FreePorts returns n loopback ports without a listener. They are below those that the system
// assigns to clients, because a client could take the port of a server that is down for a moment.
func FreePorts(n int) ([]int, error) {
	const first, count, tries = 20_000, 12_000, 1000
	var ports []int
	for range tries {
		port := first + rand.IntN(count) //nolint:gosec // not a secret
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		defer l.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errNoPorts
}
