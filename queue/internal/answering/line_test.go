package answering_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/queue/internal/answering"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A function that fails in any way gives no answer, and is called for the next question.
func TestFailuresAreContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := answering.Start(func(question []byte) []byte {
			switch string(question) {
			case "panic":
				panic("bad")
			case "exit":
				runtime.Goexit()
			case "nil":
				return nil
			}
			return question
		})
		defer l.Stop()
		var answers []string
		for _, question := range []string{"1", "panic", "2", "exit", "3", "nil", ""} {
			l.Ask([]byte(question), func(answer []byte) { answers = append(answers, string(answer)) })
			synctest.Wait()
		}
		require.Equal(t, []string{"1", "2", "3", ""}, answers)
	})
}

// A function that hangs costs a bounded number of questions, and Stop waits for it.
func TestStopWaitsAndQuestionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, running := 0, false
		l := answering.Start(func([]byte) []byte {
			calls++
			running = true
			time.Sleep(time.Hour)
			running = false
			return []byte{}
		})
		for range 10_000 {
			l.Ask(nil, func([]byte) { t.Error("an answer after Stop") })
		}
		synctest.Wait()
		var stops sync.WaitGroup
		for range 2 {
			stops.Go(l.Stop)
		}
		stops.Wait()
		require.False(t, running)
		require.Equal(t, 1, calls)
	})
}
