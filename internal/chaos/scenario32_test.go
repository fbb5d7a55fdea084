package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// crowd is several nodes on one queue, some of whose messages kill the process that runs them.
type crowd struct {
	testing.TB
	nodeConfig
	home   *home
	direct *Endpoint
	over   atomic.Bool
	deaths atomic.Int32
	nodes  sync.WaitGroup

	mu   sync.Mutex
	came map[string]int // by id, the highest attempt of a delivery
	ran  map[string]int // the highest attempt of a run
}

func newCrowd(t testing.TB, c nodeConfig) *crowd {
	t.Helper()
	c.Queue = "chaos-killers-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	all := &crowd{TB: t, nodeConfig: c, came: map[string]int{}, ran: map[string]int{}}
	var err error
	all.direct, err = openWithLease(c.Kind, c.URL, c.Queue, nil, nodeLease)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, all.direct.Close()) })
	all.home, err = newHome()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, all.home.close()) })
	return all
}

// publish publishes n messages, numbered from 1.
func (c *crowd) publish(n int) {
	c.Helper()
	msgs := make([]queue.Message, n)
	for i := range msgs {
		id := strconv.Itoa(i + 1)
		msgs[i] = queue.Message{ID: id, Body: []byte(id)}
	}
	require.NoError(c, c.direct.Publish(c.Context(), msgs...))
}

// live runs a node until all is over: a process that dies is replaced.
func (c *crowd) live(name string) {
	for n := 0; !c.over.Load(); n++ {
		config := c.nodeConfig
		config.Node = name
		text, err := json.Marshal(config)
		if err != nil {
			c.Error(err)
			return
		}
		if err := c.once(fmt.Sprintf("%s-%d", name, n), string(text)); err != nil {
			c.Error(err)
			return
		}
		c.deaths.Add(1)
	}
}

// once runs one process, and reads what it sees.
func (c *crowd) once(name, config string) error {
	cmd, err := self("node", config)
	if err != nil {
		return err
	}
	in, out := io.Pipe()
	cmd.Stdout = out
	p, err := c.home.start(name, cmd)
	if err != nil {
		return err
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			var s Sight
			if json.Unmarshal(lines.Bytes(), &s) == nil {
				c.see(s)
			}
		}
	})
	for p.running() {
		select {
		case <-p.ended:
		case <-time.After(50 * time.Millisecond):
			if c.over.Load() {
				p.kill()
			}
		}
	}
	_ = out.Close() // it never fails
	reading.Wait()
	return nil
}

func (c *crowd) see(s Sight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.came[s.ID] = max(c.came[s.ID], s.Attempt)
	if s.Ran {
		c.ran[s.ID] = max(c.ran[s.ID], s.Attempt)
	}
}

// innocents returns how many innocents there are for each highest attempt.
func (c *crowd) innocents(of map[string]int) map[int]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := map[int]int{}
	for id, attempt := range of {
		if !c.killer(id) {
			counts[attempt]++
		}
	}
	return counts
}

// killersTime bounds one trial. On an idle machine it takes half a minute for 500 messages.
const killersTime = 5 * time.Minute

// work runs the nodes until all that was published has run, or is dead-lettered.
func (c *crowd) work(nodes, published int) map[string]int {
	c.Helper()
	for i := range nodes {
		c.nodes.Go(func() { c.live(fmt.Sprintf("node-%d", i)) })
	}
	defer c.nodes.Wait()
	defer c.over.Store(true)
	ctx := context.WithoutCancel(c.Context())
	for end := time.Now().Add(killersTime); ; pause(nil, 200*time.Millisecond) {
		at, err := c.direct.state(ctx)
		if err == nil && at.left == 0 && at.dead >= published/c.Every {
			dead, err := c.direct.DeadLetters(ctx)
			c.mu.Lock()
			seen := len(c.ran)
			c.mu.Unlock()
			if err == nil && seen == published && len(dead) >= published/c.Every { // one may be there twice
				return dead
			}
		}
		if time.Now().After(end) {
			c.Fatalf("%s: %+v, %v; %d deaths, came %v, ran %v", c.Kind, at, err, c.deaths.Load(), c.innocents(c.came), c.innocents(c.ran))
		}
	}
}

// TestScenario32_Killers: on three nodes, one message in twelve kills the process that runs it.
// Each has its attempts and ends as a dead letter. No other message is ever delivered for a third
// attempt, with any number of them held beside a killer, and all of them run.
func TestScenario32_Killers(t *testing.T) {
	for _, kind := range []Kind{Quorum, Classic, Stream} {
		t.Run(string(kind), func(t *testing.T) {
			published := scaled(100, 500)
			begin := time.Now()
			c := newCrowd(t, nodeConfig{Kind: kind, URL: shared(t, kind), Every: 12, Most: 3, Isolate: true})
			c.publish(published)
			dead := c.work(3, published)
			came, ran := c.innocents(c.came), c.innocents(c.ran)
			t.Logf("%s: %v, %d deaths, innocents by highest attempt: came %v, ran %v", kind,
				time.Since(begin).Round(time.Second), c.deaths.Load(), came, ran)
			require.Len(t, dead, published/c.Every)
			for id := range dead {
				require.True(t, c.killer(id), "message %s is dead-lettered, and kills nobody", id)
			}
			require.Equal(t, published-len(dead), ran[1]+ran[2], "came %v, ran %v", came, ran)
			require.Equal(t, published-len(dead), came[1]+came[2], "came %v, ran %v", came, ran)
			require.Positive(t, came[2], "nobody was held beside a killer")
			require.GreaterOrEqual(t, int(c.deaths.Load()), (c.Most-1)*len(dead), "each dies alone, but for its first attempt")
		})
	}
}
