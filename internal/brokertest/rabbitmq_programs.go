package brokertest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// RabbitMQVersionEnv is the variable with the version of the brokers that tests start for
// themselves: one of scripts/get-rabbitmq. Empty means the machine's own.
const RabbitMQVersionEnv = "GENTASK_RABBITMQ_VERSION"

// RabbitMQPrograms are the programs of one version of RabbitMQ, with their Erlang.
type RabbitMQPrograms struct {
	dir string // of a version that was fetched; empty for the machine's own
}

// FindRabbitMQPrograms returns the programs of the version, as scripts/get-rabbitmq does: it
// fetches them if they are not there, which takes half a minute. The empty version is that of
// [RabbitMQVersionEnv]. If there is none, the error has the reasons.
func FindRabbitMQPrograms(version string) (RabbitMQPrograms, error) {
	if version == "" {
		version = os.Getenv(RabbitMQVersionEnv)
	}
	if version == "" {
		return RabbitMQPrograms{}, installed()
	}
	dir, err := fetch("get-rabbitmq", version)
	return RabbitMQPrograms{dir: dir}, err
}

// fetch runs a script that fetches a version of a broker, and returns the directory that it prints.
func fetch(script, version string) (string, error) {
	dir, err := scripts()
	if err != nil {
		return "", err
	}
	var why bytes.Buffer
	cmd := exec.Command(filepath.Join(dir, script), version)
	cmd.Stderr = &why
	root, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("brokertest: %s %s: %w: %s", script, version, err, why.Bytes())
	}
	return strings.TrimSpace(string(root)), nil
}

// installed returns an error if the machine has no RabbitMQ of its own.
func installed() error {
	if _, err := exec.LookPath(RabbitMQPrograms{}.Path("rabbitmq-server")); err != nil {
		return errors.New("rabbitmq-server is not installed (on Debian: apt-get install rabbitmq-server)")
	}
	return nil
}

// Path returns the path of a program: of RabbitMQ's own ones, or of Erlang's. Debian's wrappers of
// RabbitMQ's, in the search path, require their own user and directories, and are avoided.
func (p RabbitMQPrograms) Path(name string) string {
	for _, dir := range []string{"/usr/lib/rabbitmq/bin", "/usr/bin"} {
		path := filepath.Join(p.dir, dir, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return name
}

// Environ returns the environment of a process that runs these programs, to which it may be
// appended. Their own Erlang is found first.
func (p RabbitMQPrograms) Environ() []string {
	env := os.Environ()
	if p.dir == "" {
		return env
	}
	return append(env, "PATH="+filepath.Join(p.dir, "usr/bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// Version returns the version of the programs, such as "4.3.6", by the directory that Debian's
// packages install them to, or "" if that is elsewhere.
func (p RabbitMQPrograms) Version() string {
	const prefix = "rabbitmq_server-"
	found, err := filepath.Glob(filepath.Join("/", p.dir, "usr/lib/rabbitmq/lib", prefix+"*"))
	if err != nil || len(found) != 1 {
		return ""
	}
	return strings.TrimPrefix(filepath.Base(found[0]), prefix)
}

// scripts returns the directory of the project's scripts. A test runs in the directory of its
// package.
var scripts = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		found := filepath.Join(dir, "scripts")
		if _, missing := os.Stat(filepath.Join(found, "get-rabbitmq")); missing == nil {
			return found, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("brokertest: the test does not run inside the repository, whose scripts it needs")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
})
