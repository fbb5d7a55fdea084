package dashboard_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// TestNew_NamesWhatIsWrong, and all of it.
func TestNew_NamesWhatIsWrong(t *testing.T) {
	q := memory.New(memory.Config{Name: "emails"})
	defer q.Close()
	var none *memory.Queue
	for want, cfg := range map[string]dashboard.Config{
		"Config.Prefix":          {Prefix: "jobs/"},
		"Config.Queues[0]":       {Queues: []dashboard.Queue{nil}},
		"Config.Queues[1]":       {Queues: []dashboard.Queue{q, none}},
		"second one":             {Queues: []dashboard.Queue{q, q}},
		"Config.Plans[0].Plans":  {Plans: []dashboard.Plans{{}}},
		"which another set has;": {Plans: []dashboard.Plans{{Name: "a"}, {Name: "a"}}},
	} {
		_, err := dashboard.New(nil, cfg)
		require.ErrorIs(t, err, queue.ErrConfig, want)
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, "operate", dashboard.AccessOperate.String())
	require.Equal(t, "read", dashboard.AccessRead.String())
	require.Equal(t, "none", dashboard.AccessNone.String())
	require.Equal(t, "access(9)", dashboard.Access(9).String())
}
