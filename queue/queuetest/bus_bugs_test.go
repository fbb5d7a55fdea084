package queuetest_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/queuetest"
)

// busBug is a mistake that a driver's bus could have, and the case that finds it.
type busBug struct {
	found  string
	answer func(s *flawedBus, topic string, f func([]byte) []byte) (func(), error)
	ask    func(s *flawedBus, ctx context.Context, topic string, question []byte) iter.Seq2[[]byte, error]
	close  func(s *flawedBus) error
}

// flawedBus is a bus in memory with a bug.
type flawedBus struct {
	queue.Bus
	bug    busBug
	broker *memory.Broker
}

func (s *flawedBus) Answer(topic string, f func([]byte) []byte) (func(), error) {
	if s.bug.answer != nil && f != nil {
		return s.bug.answer(s, topic, f)
	}
	return s.Bus.Answer(topic, f)
}

func (s *flawedBus) Ask(ctx context.Context, topic string, question []byte) iter.Seq2[[]byte, error] {
	if s.bug.ask != nil {
		return s.bug.ask(s, ctx, topic, question)
	}
	return s.Bus.Ask(ctx, topic, question)
}

func (s *flawedBus) Close() error {
	if s.bug.close != nil {
		return s.bug.close(s)
	}
	return s.Bus.Close()
}

// answers returns an Answer with another function.
func answers(change func(f func([]byte) []byte, question []byte) []byte,
) func(*flawedBus, string, func([]byte) []byte) (func(), error) {
	return func(s *flawedBus, topic string, f func([]byte) []byte) (func(), error) {
		return s.Bus.Answer(topic, func(question []byte) []byte { return change(f, question) })
	}
}

// asks returns an Ask with other results.
func asks(change func(answer []byte, err error, yield func([]byte, error) bool) bool,
) func(*flawedBus, context.Context, string, []byte) iter.Seq2[[]byte, error] {
	return func(s *flawedBus, ctx context.Context, topic string, question []byte) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for answer, err := range s.Bus.Ask(ctx, topic, question) {
				if !change(answer, err, yield) {
					return
				}
			}
		}
	}
}

// hides returns an Ask that ends without an error of a kind.
func hides(hidden error) func(*flawedBus, context.Context, string, []byte) iter.Seq2[[]byte, error] {
	return asks(func(answer []byte, err error, yield func([]byte, error) bool) bool {
		return !errors.Is(err, hidden) && yield(answer, err)
	})
}

func busBugs() map[string]busBug {
	all := answerBugs()
	maps.Copy(all, askBugs())
	return all
}

// answerBugs are mistakes of Answer.
func answerBugs() map[string]busBug {
	return map[string]busBug{
		"the dots of a topic are ignored": {
			found: "bus/everyone answers once",
			answer: func(s *flawedBus, topic string, f func([]byte) []byte) (func(), error) {
				if queue.CheckTopic(topic) == nil {
					topic, _, _ = strings.Cut(topic, ".")
				}
				return s.Bus.Answer(topic, f)
			},
		},
		"a question ends at a zero byte": {
			found: "bus/a question arrives as it is",
			answer: answers(func(f func([]byte) []byte, question []byte) []byte {
				text, _, _ := strings.Cut(string(question), "\x00")
				return f([]byte(text))
			}),
		},
		"an empty answer is none": {
			found: "bus/a question arrives as it is",
			answer: answers(func(f func([]byte) []byte, question []byte) []byte {
				if answer := f(question); len(answer) > 0 {
					return answer
				}
				return nil
			}),
		},
		"no answer is an empty one": {
			found: "bus/one that fails answers the next",
			answer: answers(func(f func([]byte) []byte, question []byte) []byte {
				return append([]byte{}, f(question)...)
			}),
		},
		"a function that fails is dropped": {
			found: "bus/one that fails answers the next",
			answer: func(s *flawedBus, topic string, f func([]byte) []byte) (func(), error) {
				failed := false
				return s.Bus.Answer(topic, func(question []byte) []byte {
					if failed {
						return nil
					}
					failed = true
					answer := f(question)
					failed = false
					return answer
				})
			},
		},
		"a slow function holds up the others of its node": {
			found: "bus/a slow one holds nobody up",
			answer: func() func(*flawedBus, string, func([]byte) []byte) (func(), error) {
				var one sync.Mutex
				return answers(func(f func([]byte) []byte, question []byte) []byte {
					one.Lock()
					defer one.Unlock()
					return f(question)
				})
			}(),
		},
		"a function is forgotten when the broker was away": {
			found: "bus loss/answers again by itself",
			answer: func(s *flawedBus, topic string, f func([]byte) []byte) (func(), error) {
				stop, err := s.Bus.Answer(topic, f)
				if _, away := s.broker.Bus(context.Background(), "other"); away != nil {
					stop()
				}
				return stop, err
			},
		},
	}
}

// askBugs are mistakes of Ask, and of what ends.
func askBugs() map[string]busBug {
	return map[string]busBug{
		"stop does not wait": {
			found: "bus/stop",
			answer: func(s *flawedBus, topic string, f func([]byte) []byte) (func(), error) {
				stop, err := s.Bus.Answer(topic, f)
				return func() { go stop() }, err
			},
		},
		"stop does not stop": {
			found: "bus/stop",
			answer: func(s *flawedBus, topic string, f func([]byte) []byte) (func(), error) {
				_, err := s.Bus.Answer(topic, f)
				return func() {}, err
			},
		},
		"an answer comes twice": {
			found: "bus/everyone answers once",
			ask: asks(func(answer []byte, err error, yield func([]byte, error) bool) bool {
				return yield(answer, err) && (err != nil || yield(answer, nil))
			}),
		},
		"a topic is not checked": {
			found: "bus/bad arguments",
			ask:   hides(queue.ErrConfig),
		},
		"a question that is too large is dropped": {
			found: "bus/bad arguments",
			ask:   hides(queue.ErrTooLarge),
		},
		"close ends Ask without a word": {
			found: "bus/close",
			ask:   hides(queue.ErrClosed),
		},
		"close leaves the functions": {
			found: "bus/close",
			close: func(*flawedBus) error { return nil },
		},
		"an Ask without the broker has no error": {
			found: "bus loss/ask without the broker",
			ask:   hides(queue.ErrUnavailable),
		},
	}
}

// TestFindsBugsOfBuses: a bus with a bug fails the case for it, and passes it without the bug.
func TestFindsBugsOfBuses(t *testing.T) {
	for name, bug := range busBugs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			finds(t, "TestBusDriver", bug.found, name)
		})
	}
}

// TestBusDriver runs the suite on a bus in memory, with a bug if the environment names one.
func TestBusDriver(t *testing.T) {
	bug, ok := os.LookupEnv(bugEnv)
	if !ok {
		t.Log("a child of TestFindsBugsOfBuses; the suite as a whole runs in package memory")
		return
	}
	queuetest.RunBus(t, func(testing.TB) queuetest.BusFixture {
		b := memory.NewBroker()
		aside := b.Connect()
		return queuetest.BusFixture{
			Open: func(ctx context.Context) (queue.Bus, error) {
				s, err := b.Bus(ctx, "fleet")
				return &flawedBus{Bus: s, broker: b, bug: busBugs()[bug]}, err
			},
			Aside:   func(ctx context.Context) (queue.Bus, error) { return aside.Bus(ctx, "fleet") },
			Cut:     b.Cut,
			Restore: b.Restore,
		}
	})
}
