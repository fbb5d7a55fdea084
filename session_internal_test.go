package gentask

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
)

// TestSession_Open: a session is open from its first delivery on until it is being closed.
func TestSession_Open(t *testing.T) {
	for p, open := range map[phase]bool{
		phaseClosed: false, phaseOpening: false, phaseReceiving: true, phasePausing: true, phasePaused: true,
		phaseResuming: true, phaseClosing: false,
	} {
		s := session{phase: p}
		require.Equal(t, open, s.open(), "%d", p)
	}
}

// TestSession_Fail: a session that has lasted for long enough is no failure, and the first one
// after it is the first in a row.
func TestSession_Fail(t *testing.T) {
	const good = time.Minute
	reason := errors.New("down")
	for lasted, failures := range map[time.Duration]int{0: 8, good: 8, good + 1: 1} {
		synctest.Test(t, func(t *testing.T) {
			s := session{failures: 7, err: reason}
			s.begin()
			require.NoError(t, s.err)
			time.Sleep(lasted)
			require.Equal(t, EventSessionLost, s.fail(reason, good))
			require.Equal(t, reason, s.err)
			require.Equal(t, failures, s.failed(), "%v", lasted)
		})
	}
	s := session{failures: 7, phase: phaseOpening}
	require.Equal(t, EventOpenFailed, s.fail(reason, good))
	require.Equal(t, 8, s.failed())
	s.err = queue.ErrUnavailable
	require.Equal(t, maxUnreachableBackoff, s.failed())
	s.brought(time.Now())
	require.Equal(t, 1, s.failed())
}

// TestCloseWithin: the network of a silent session may be dead.
func TestCloseWithin(t *testing.T) {
	require.Equal(t, silentGoodbye, closeWithin(ErrSilent))
	require.Equal(t, link.CloseTimeout, closeWithin(ErrStalled))
}

// TestSession_Suspicious: the broker is asked when nothing has come for a while, that is doubled
// with each failure, and not while the last answer is due.
func TestSession_Suspicious(t *testing.T) {
	now := time.Now()
	for failures, quiet := range map[int]time.Duration{
		0: quietFor, 1: 2 * quietFor, quietDoublings: quietFor << quietDoublings, 100: quietFor << quietDoublings,
	} {
		s := session{failures: failures, silence: silence{since: now}}
		require.False(t, s.suspicious(now.Add(quiet-1)), "%d failures", failures)
		require.True(t, s.suspicious(now.Add(quiet)), "%d failures", failures)
		s.silence.asking = true
		require.False(t, s.suspicious(now.Add(quiet)))
	}
}

// TestSilence_Answered: only answers in a row that messages wait count, and only if nothing has
// come since the question.
func TestSilence_Answered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		waits := func(n int) *backlogCounted { return &backlogCounted{Asked: time.Now(), Waiting: n} }
		s := silence{since: begun, asking: true}
		time.Sleep(time.Second)
		require.False(t, s.answered(waits(3)))
		require.Equal(t, silence{since: begun, doubts: 1}, s)
		require.False(t, s.answered(&backlogCounted{Asked: time.Now(), Err: errors.New("down")}))
		require.Equal(t, silence{since: begun, doubts: 1}, s)
		require.False(t, s.answered(waits(0)))
		require.Equal(t, silence{since: time.Now()}, s)
		require.False(t, s.answered(waits(1)), "it was asked at the time of the last delivery")
		require.False(t, s.answered(&backlogCounted{Asked: begun, Waiting: 1}), "before it")
		require.Equal(t, silence{since: time.Now()}, s)
		require.False(t, s.answered(waits(1)))
		require.True(t, s.answered(waits(1)))
	})
}

// TestSession_Stale: messages of another session, and of one that is being closed, are ignored.
func TestSession_Stale(t *testing.T) {
	mine, other := new(sessionLink), new(sessionLink)
	s := session{link: mine, phase: phaseReceiving}
	require.False(t, s.stale(mine))
	require.True(t, s.stale(other))
	s.enter(phaseClosing)
	require.True(t, s.stale(mine))
}
