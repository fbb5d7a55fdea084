package chaos

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var (
	// full means that all of it runs: `make chaos`. Otherwise the short form does.
	full = os.Getenv("GENTASK_CHAOS") == "full"

	table Table

	// The brokers that trials share; starting one takes seconds.
	rabbit = sync.OnceValues(func() (*RabbitMQ, error) { return StartRabbitMQ(1) })
	stream = sync.OnceValues(func() (*JetStream, error) { return StartJetStream(1) })
	closes []func() error
)

func TestMain(m *testing.M) {
	if Child() {
		return
	}
	if err := record(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := m.Run()
	for _, end := range closes {
		if err := end(); err != nil {
			fmt.Println(err)
			code = 1
		}
	}
	if err := errors.Join(table.Print(os.Stdout), goleak.Find()); err != nil {
		fmt.Println(err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// record writes the rows to the file that GENTASK_CHAOS_JSON names.
func record() error {
	name := os.Getenv("GENTASK_CHAOS_JSON")
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	table.Lines = f
	closes = append(closes, f.Close)
	return nil
}

func sharedRabbit(t *testing.T) *RabbitMQ {
	t.Helper()
	r, err := rabbit()
	require.NoError(t, err)
	once(r, r.Close)
	require.NoError(t, r.Start(0))
	return r
}

func sharedStream(t *testing.T) *JetStream {
	t.Helper()
	j, err := stream()
	require.NoError(t, err)
	once(j, j.Close)
	require.NoError(t, j.Start(0))
	return j
}

var closing = map[any]bool{}

// once has something closed at the end of the process.
func once(what any, end func() error) {
	if !closing[what] {
		closing[what] = true
		closes = append(closes, end)
	}
}

// scaled is the short or the full number.
func scaled(short, whole int) int {
	if full {
		return whole
	}
	return short
}

// soon is when consumption resumes at the latest, after the broker can be reached again. The short
// form shares its cores with other tests, under the race detector.
var soon = Span(time.Duration(scaled(5, 2)) * time.Second)
