package brokertest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// PostgresVersionEnv is the variable with the version of the servers that tests start for
// themselves: one of scripts/get-postgres. Empty means the machine's own.
const PostgresVersionEnv = "GENTASK_POSTGRES_VERSION"

// PostgresPrograms are the programs of one version of PostgreSQL.
type PostgresPrograms struct {
	bin     string
	fetched bool
}

// FindPostgresPrograms returns the programs of the version, as scripts/get-postgres does: it
// fetches them if they are not there, which takes half a minute. The empty version is that of
// [PostgresVersionEnv]. If there is none, the error has the reasons.
func FindPostgresPrograms(version string) (PostgresPrograms, error) {
	if version == "" {
		version = os.Getenv(PostgresVersionEnv)
	}
	root := "/"
	if version != "" {
		fetched, err := fetch("get-postgres", version)
		if err != nil {
			return PostgresPrograms{}, err
		}
		root = "/" + fetched
	}
	p := PostgresPrograms{fetched: filepath.Clean(root) != "/"}
	found, err := filepath.Glob(filepath.Join(root, "usr/lib/postgresql/*/bin/postgres"))
	if err != nil {
		return PostgresPrograms{}, err
	}
	if oldest := oldestOf(found); oldest != "" {
		p.bin = filepath.Dir(oldest)
		return p, nil
	}
	inPath, err := exec.LookPath("postgres")
	if err != nil {
		return PostgresPrograms{}, errors.New("brokertest: PostgreSQL is not installed (on Debian: apt-get install postgresql)")
	}
	p.bin = filepath.Dir(inPath)
	return p, nil
}

// oldestOf returns the program of the lowest version, by its directory's name, or "".
func oldestOf(found []string) string {
	oldest, lowest := "", 0
	for _, path := range found {
		major, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err == nil && (oldest == "" || major < lowest) {
			oldest, lowest = path, major
		}
	}
	return oldest
}

// Path returns the path of a program.
func (p PostgresPrograms) Path(name string) string { return filepath.Join(p.bin, name) }

// Version returns the version of the programs, such as "15.20", or "" if they don't run.
func (p PostgresPrograms) Version() string {
	out, err := exec.Command(p.Path("postgres"), "--version").Output()
	words := strings.Fields(string(out)) // postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)
	if err != nil || len(words) < 3 {
		return ""
	}
	return words[2]
}
