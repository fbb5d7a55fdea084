//go:build unix

package brokertest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// parentEnv makes the test program the parent of a server, and names nothing else.
const parentEnv = "GENTASK_BROKERTEST_PARENT"

// parent starts a server, prints where it is, and waits to be killed.
func parent() {
	p, err := StartPostgres(PostgresConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.URL(), p.dir)
	select {}
}

func startPostgres(t *testing.T, cfg PostgresConfig) *PostgresServer {
	t.Helper()
	p, err := StartPostgres(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		dir := p.dir
		require.NoError(t, p.Close())
		require.NoDirExists(t, dir)
	})
	return p
}

func sql(t *testing.T, p *PostgresServer, statements ...string) string {
	t.Helper()
	out, err := p.SQL(statements...)
	require.NoError(t, err)
	return out
}

// TestASharedPostgresStaysUntilTheTestProcessEnds, also when no variable refers to it.
func TestASharedPostgresStaysUntilTheTestProcessEnds(t *testing.T) {
	at := Postgres(t)
	require.Equal(t, at, Postgres(t))
	for range 3 {
		runtime.GC() // which closes the files that nobody refers to
	}
	startPostgres(t, PostgresConfig{}) // from the same template
	require.NoError(t, probePostgres(at))
}

func Example_postgres() {
	url, err := FindPostgres()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.HasPrefix(url, "postgres"))
	// Output: true
}

// TestPostgresIsSafeAndOfTheVersionAskedFor, if one is: see `make matrix`. Debian may have a newer
// one than the name says, but not an older one.
func TestPostgresIsSafeAndOfTheVersionAskedFor(t *testing.T) {
	wanted := os.Getenv(PostgresVersionEnv)
	if wanted == "" {
		wanted = "15" // the machine's own, the oldest that is supported
	}
	p := startPostgres(t, PostgresConfig{Settings: map[string]string{"work_mem": "5MB", "application_name": "it's"}})
	require.Equal(t, p.Version(), strings.Fields(sql(t, p, "SHOW server_version"))[0])
	require.LessOrEqual(t, release(t, wanted+".0"), release(t, p.Version()), "%s, not %s", p.Version(), wanted)
	for name, want := range map[string]string{"autovacuum": "on", "fsync": "on", "full_page_writes": "on", "work_mem": "5MB"} {
		require.Equal(t, want, sql(t, p, "SHOW "+name), name)
	}
}

// TestPostgresKeepsWhatIsCommittedWhenItIsKilled, and what is not is gone; the port stays.
func TestPostgresKeepsWhatIsCommittedWhenItIsKilled(t *testing.T) {
	p := startPostgres(t, PostgresConfig{})
	require.NoError(t, p.Start(), "it runs")
	at := p.URL()
	sql(t, p, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)")
	open := p.openTransaction(t)
	require.NoError(t, p.Kill())
	require.Error(t, open.Wait())
	require.NoError(t, p.Kill(), "it is down")
	require.ErrorIs(t, p.Freeze(), errDown)
	require.ErrorIs(t, p.Thaw(), errDown)
	_, err := p.SQL("SELECT 1")
	require.Error(t, err)
	require.NoError(t, p.Start())
	require.Equal(t, "1", sql(t, p, "SELECT n FROM kept"))
	require.NoError(t, p.Stop())
	require.NoError(t, p.Stop(), "it is down")
	_, err = p.SQL("SELECT 1")
	require.Error(t, err)
	require.NoError(t, p.Start())
	require.Equal(t, "1", sql(t, p, "SELECT n FROM kept"))
	require.Equal(t, at, p.URL())
}

// openTransaction starts a client that has written, and does not commit.
func (p *PostgresServer) openTransaction(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(p.programs.Path("psql"), "-X", "-q", p.URL())
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = in.Close() })
	require.NoError(t, cmd.Start())
	_, err = fmt.Fprintln(in, "BEGIN; INSERT INTO kept VALUES (2); SET application_name = 'written'; SELECT pg_sleep(60);")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return sql(t, p, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'written'") == "1"
	}, endTime, 50*time.Millisecond)
	return cmd
}

// TestPostgresIsSilentWhileItIsFrozen: a client that is connected waits, and goes on afterwards.
func TestPostgresIsSilentWhileItIsFrozen(t *testing.T) {
	p := startPostgres(t, PostgresConfig{})
	require.NoError(t, p.Freeze())
	for _, pid := range append(p.children(), p.process.Process.Pid) {
		_, state := status(fmt.Sprint(pid))
		require.Equal(t, "T", state)
	}
	answer := make(chan string)
	go func() {
		out, err := p.SQL("SELECT 1")
		answer <- fmt.Sprint(out, err)
	}()
	select {
	case <-answer:
		t.Error("it answered")
	case <-time.After(300 * time.Millisecond):
	}
	require.NoError(t, p.Thaw())
	require.Equal(t, "1<nil>", <-answer)
	require.NoError(t, p.Freeze(), "Close ends one that is frozen")
}

// TestAPostgresStandbyFollowsAndIsPromoted: it is read-only until then.
func TestAPostgresStandbyFollowsAndIsPromoted(t *testing.T) {
	p := startPostgres(t, PostgresConfig{})
	sql(t, p, "CREATE TABLE followed (n int)")
	s, err := p.Standby()
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.Error(t, p.Promote(), "it is no standby")
	sql(t, p, "INSERT INTO followed VALUES (1)")
	require.Eventually(t, func() bool { return sql(t, s, "SELECT n FROM followed") == "1" }, endTime, 50*time.Millisecond)
	_, err = s.SQL("INSERT INTO followed VALUES (2)")
	require.ErrorContains(t, err, "read-only")
	require.NoError(t, p.Kill())
	require.NoError(t, s.Promote())
	sql(t, s, "INSERT INTO followed VALUES (2)")
	require.Error(t, s.Promote(), "it is no standby any more")

	require.NoError(t, s.SetReadOnly(true))
	_, err = s.SQL("INSERT INTO followed VALUES (3)")
	require.ErrorContains(t, err, "read-only")
	require.NoError(t, s.SetReadOnly(false))
	sql(t, s, "INSERT INTO followed VALUES (3)")
}

// TestAPostgresOnASmallDiskGoesOnWhenItIsFull: the server refuses what has no room, and goes on.
func TestAPostgresOnASmallDiskGoesOnWhenItIsFull(t *testing.T) {
	if os.Geteuid() != 0 {
		_, err := StartPostgres(PostgresConfig{SmallDisk: "8m"})
		require.ErrorContains(t, err, "root")
		return
	}
	p := startPostgres(t, PostgresConfig{SmallDisk: "8m"})
	sql(t, p, "CREATE TABLE large (t text) TABLESPACE "+SmallTablespace)
	_, err := p.SQL("INSERT INTO large SELECT repeat(md5(n::text), 50) FROM generate_series(1, 10000) n")
	require.ErrorContains(t, err, "No space left on device")
	sql(t, p, "DROP TABLE large", "CREATE TABLE large (t text) TABLESPACE "+SmallTablespace, "INSERT INTO large VALUES ('small')")
}

// TestNoPostgresOutlivesATestProcess: one that is killed leaves no server and no files.
func TestNoPostgresOutlivesATestProcess(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), parentEnv+"=yes")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var url, dir string
	_, err = fmt.Fscan(out, &url, &dir)
	require.NoError(t, err)
	require.NoError(t, probePostgres(url))
	require.DirExists(t, dir)

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	require.Eventually(t, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	}, endTime, 50*time.Millisecond)
	require.Error(t, probePostgres(url))
}

func TestANamedPostgresThatDoesNotAnswerIsAnError(t *testing.T) {
	t.Setenv(postgresEnv, "postgres://user:secret@127.0.0.1:1/")
	_, err := findPostgres()
	require.ErrorContains(t, err, postgresEnv)
	require.NotContains(t, err.Error(), "secret")
}

func TestAnUnknownPostgresIsAnErrorThatNamesTheOthers(t *testing.T) {
	_, err := FindPostgresPrograms("9.6")
	require.ErrorContains(t, err, "15, 17 or 18")
}
