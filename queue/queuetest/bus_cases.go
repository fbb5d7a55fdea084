package queuetest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

func busCases() []busCase {
	return []busCase{
		{name: "bus/everyone answers once", check: everyoneAnswers},
		{name: "bus/a question arrives as it is", check: questionArrives},
		{name: "bus/many nodes", check: manyNodes},
		{name: "bus/one that fails answers the next", check: oneThatFails},
		{name: "bus/a slow one holds nobody up", check: slowOne},
		{name: "bus/one at a time", check: oneAtATime},
		{name: "bus/stop", check: stopAnswer},
		{name: "bus/a loop may end early", check: askEndsEarly},
		{name: "bus/bad arguments", check: badBusArguments},
		{name: "bus/close", check: closeBus},
	}
}

func busLossCases() []busCase {
	cuts := func(f BusFixture) bool { return f.Aside != nil }
	kills := func(f BusFixture) bool { return f.Kill != nil }
	return []busCase{
		{name: "bus loss/ask without the broker", needs: cuts, check: askWhenCut},
		{name: "bus loss/answers again by itself", needs: cuts, check: answersAgain},
		{name: "bus loss/the broker is killed", needs: kills, check: busKilled},
	}
}

// everyoneAnswers: each function of the topic answers, the asker's own too, and no other.
func everyoneAnswers(b *busBench) {
	one, two := b.open(), b.open()
	b.say(one, "who", "1")
	b.say(one, "who", "1 again")
	b.say(two, "who", "2")
	b.say(two, "who.else", "not asked")
	for _, asker := range []queue.Bus{one, two} {
		require.ElementsMatch(b.t, []string{"1", "1 again", "2"}, b.ask(asker, "who", "", 3))
	}
	b.silent(one, "nobody")
}

// questionArrives: of any bytes, and up to 64 KiB, and so does the answer.
func questionArrives(b *busBench) {
	one, two := b.open(), b.open()
	b.answer(two, "echo", func(question []byte) []byte { return append([]byte("> "), question...) })
	for _, question := range []string{"", "hello", "\x00\xff\n", strings.Repeat("x", 64<<10-2)} {
		require.Equal(b.t, []string{"> " + question}, b.ask(one, "echo", question, 1))
	}
	b.answer(two, "empty", func([]byte) []byte { return []byte{} })
	require.Equal(b.t, []string{""}, b.ask(one, "empty", "", 1), "an empty answer is one")
}

// manyNodes: a crowd answers within a moment.
func manyNodes(b *busBench) {
	const nodes = 50
	asker, crowd := b.open(), b.open()
	want := make([]string, nodes)
	for i := range want {
		want[i] = fmt.Sprintf("node %02d %s", i, strings.Repeat("x", 1000))
		b.say(crowd, "who", want[i])
	}
	start := time.Now()
	require.ElementsMatch(b.t, want, b.ask(asker, "who", "", nodes))
	b.t.Logf("%d answers within %v", nodes, time.Since(start)-silence)
}

// oneThatFails: a function that panics, exits, or has no answer gives none, and is asked again.
func oneThatFails(b *busBench) {
	asker, node := b.open(), b.open()
	calls := 0
	b.answer(node, "who", func([]byte) []byte {
		switch calls++; calls {
		case 1:
			panic("bad")
		case 2:
			runtime.Goexit()
		case 3:
			return nil
		}
		return []byte("well")
	})
	for range 3 {
		b.silent(asker, "who")
	}
	require.Equal(b.t, []string{"well"}, b.ask(asker, "who", "", 1))
}

// slowOne: an answer comes while others are still awaited, also from another topic of its node.
func slowOne(b *busBench) {
	asker, node := b.open(), b.open()
	free := make(chan struct{})
	defer close(free)
	b.answer(node, "who", func([]byte) []byte { <-free; return []byte("slow") })
	b.say(node, "who", "quick")
	b.say(node, "other", "other")
	require.Equal(b.t, []string{"quick"}, b.ask(asker, "who", "", 1))
	require.Equal(b.t, []string{"other"}, b.ask(asker, "other", "", 1))
}

// oneAtATime: a function need not be safe for concurrent use.
func oneAtATime(b *busBench) {
	asker, node := b.open(), b.open()
	running, most := atomic.Int64{}, atomic.Int64{}
	b.answer(node, "who", func([]byte) []byte {
		most.Store(max(most.Load(), running.Add(1)))
		time.Sleep(silence / 20)
		running.Add(-1)
		return []byte("x")
	})
	done := make(chan int)
	for range 5 {
		go func() { done <- len(b.ask(asker, "who", "", 1)) }()
	}
	for range 5 {
		require.Equal(b.t, 1, <-done)
	}
	require.EqualValues(b.t, 1, most.Load())
}

// stopAnswer: after stop the function is not called, and does not run.
func stopAnswer(b *busBench) {
	asker, node := b.open(), b.open()
	var running atomic.Bool
	started := make(chan struct{}, 1)
	stop := b.answer(node, "who", func([]byte) []byte {
		running.Store(true)
		started <- struct{}{}
		time.Sleep(silence)
		running.Store(false)
		return []byte("x")
	})
	b.say(node, "who", "stays")
	ctx, cancel := context.WithTimeout(b.ctx, silence/4)
	defer cancel()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for answer, err := range asker.Ask(ctx, "who", nil) {
			_, _ = answer, err
		}
	}()
	<-started
	stop()
	require.False(b.t, running.Load(), "f runs after stop")
	stop()
	<-asked
	require.Equal(b.t, []string{"stays"}, b.ask(asker, "who", "", 1))
}

// askEndsEarly: what comes later disturbs nothing.
func askEndsEarly(b *busBench) {
	asker, node := b.open(), b.open()
	for range 5 {
		b.say(node, "who", "x")
	}
	for range 20 {
		for answer, err := range asker.Ask(b.ctx, "who", nil) {
			require.NoError(b.t, err)
			require.Equal(b.t, "x", string(answer))
			break
		}
	}
	require.Len(b.t, b.ask(asker, "who", "", 5), 5)
}

func badBusArguments(b *busBench) {
	s := b.open()
	for _, topic := range []string{"", "Who", "a b", ".a", "a.", "a..b", "*", strings.Repeat("t", 101)} {
		_, err := s.Answer(topic, func([]byte) []byte { return nil })
		require.ErrorIs(b.t, err, queue.ErrConfig, "%q", topic)
		require.ErrorIs(b.t, b.askError(s, topic, nil), queue.ErrConfig, "%q", topic)
	}
	_, err := s.Answer("who", nil)
	require.ErrorIs(b.t, err, queue.ErrConfig)
	require.ErrorIs(b.t, b.askError(s, "who", make([]byte, 100<<20)), queue.ErrTooLarge)
}

// asking starts an Ask without answers. Its error comes from the channel; nil if it ends
// without one, or does not end.
func (b *busBench) asking(s queue.Bus) <-chan error {
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(b.ctx, arrival)
	go func() {
		defer cancel()
		for _, err := range s.Ask(ctx, "nobody", nil) {
			ended <- err
			return
		}
		ended <- nil
	}()
	time.Sleep(silence / 4)
	return ended
}

// closeBus: every Ask ends with ErrClosed, and every function is stopped. Another access goes on.
func closeBus(b *busBench) {
	asker, node := b.open(), b.open()
	b.say(node, "who", "x")
	b.say(asker, "who", "asker")
	ended := b.asking(node)
	require.NoError(b.t, node.Close())
	require.NoError(b.t, node.Close())
	require.ErrorIs(b.t, <-ended, queue.ErrClosed)
	require.ErrorIs(b.t, b.askError(node, "who", nil), queue.ErrClosed)
	_, err := node.Answer("who", func([]byte) []byte { return nil })
	require.ErrorIs(b.t, err, queue.ErrClosed)
	require.Equal(b.t, []string{"asker"}, b.ask(asker, "who", "", 1))
}

// askWhenCut: an Ask without the broker has an error, also one that waits already.
func askWhenCut(b *busBench) {
	s := b.open()
	ended := b.asking(s)
	b.Cut()
	require.ErrorIs(b.t, <-ended, queue.ErrUnavailable)
	ctx, cancel := context.WithTimeout(b.ctx, giveUp+busy)
	defer cancel()
	for _, err := range s.Ask(ctx, "nobody", nil) {
		require.ErrorIs(b.t, err, queue.ErrUnavailable)
	}
	require.NoError(b.t, ctx.Err(), "it did not end by itself")
	b.Restore()
}

// answersAgain: after the connection is back, and also if it was away when Answer was called.
func answersAgain(b *busBench) {
	node, asker := b.open(), b.aside()
	b.say(node, "who", "before")
	require.Equal(b.t, []string{"before"}, b.ask(asker, "who", "", 1))
	b.Cut()
	time.Sleep(silence)
	b.say(node, "who", "meanwhile")
	b.silent(asker, "who")
	b.Restore()
	b.both(asker)
}

// both waits until the two functions of a case answer.
func (b *busBench) both(asker queue.Bus) {
	b.t.Helper()
	start := time.Now()
	for len(b.askUpTo(2, asker)) != 2 {
		require.Less(b.t, time.Since(start), arrival, "they did not answer again")
	}
	b.t.Logf("answered again after %v", time.Since(start).Round(time.Millisecond))
	require.ElementsMatch(b.t, []string{"before", "meanwhile"}, b.ask(asker, "who", "", 2))
}

// askUpTo asks for up to n answers for a while, and has none if the broker is away. The while is
// long enough for a new connection on a busy machine.
func (b *busBench) askUpTo(n int, asker queue.Bus) []string {
	ctx, cancel := context.WithTimeout(b.ctx, arrival/10)
	defer cancel()
	var got []string
	for answer, err := range asker.Ask(ctx, "who", nil) {
		if err == nil {
			got = append(got, string(answer))
		}
		if len(got) == n {
			break
		}
	}
	return got
}

// busKilled: all answer again when the broker is back.
func busKilled(b *busBench) {
	node, asker := b.open(), b.open()
	b.say(node, "who", "before")
	b.say(node, "who", "meanwhile")
	require.Len(b.t, b.ask(asker, "who", "", 2), 2)
	b.Kill()
	b.both(asker)
}
