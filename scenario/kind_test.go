package scenario_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/codec"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// publishAs publishes one message that is no duplicate.
func publishAs[T any](r *rig.Rig, k gentask.Kind[T], v T, with ...queue.Message) {
	r.Helper()
	result, err := k.Publish(r.Context(), r.Publisher, v, with...)
	require.NoError(r, err)
	require.NotEmpty(r, result.ID)
	require.False(r, result.Duplicate)
}

var mails = gentask.NewKind[mail]("mail")

// TestKind_Message: it is the payload in JSON, under the kind's name, and keeps what was given with
// it; neither of the two is changed.
func TestKind_Message(t *testing.T) {
	m, err := mails.Message(mail{To: "anna"})
	require.NoError(t, err)
	require.Equal(t, queue.Message{
		Body: []byte(`{"To":"anna"}`), ContentType: "application/json", Headers: map[string]string{queue.HeaderKind: "mail"},
	}, m)

	due := time.Now().Add(time.Hour)
	with := queue.Message{
		ID: "1", Headers: map[string]string{"tenant": "a", queue.HeaderKind: "other"}, Time: due, NotBefore: due, Priority: 3, UniqueKey: "u",
	}
	m, err = mails.Message(mail{To: "anna"}, with)
	require.NoError(t, err)
	require.Equal(t, queue.Message{
		ID: "1", Body: []byte(`{"To":"anna"}`), ContentType: "application/json", Time: due, NotBefore: due, Priority: 3, UniqueKey: "u",
		Headers: map[string]string{"tenant": "a", queue.HeaderKind: "mail"},
	}, m)
	require.Equal(t, "other", with.Headers[queue.HeaderKind])

	raw, err := gentask.NewKind[[]byte]("raw").Message([]byte("\x00"))
	require.NoError(t, err)
	require.Equal(t, []byte("\x00"), raw.Body)
	text, err := gentask.NewKind[string]("text").Message("as it is")
	require.NoError(t, err)
	require.Equal(t, []byte("as it is"), text.Body)
}

// TestKind_Mistakes of a publisher are errors, and nothing is published.
func TestKind_Mistakes(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		for want, publish := range map[string]func() (queue.PublishResult, error){
			`name of a kind is ""`: func() (queue.PublishResult, error) {
				return gentask.NewKind[int]("").Publish(r.Context(), r.Publisher, 1)
			},
			`name of a kind is "*"`: func() (queue.PublishResult, error) {
				return gentask.NewKind[int](gentask.AnyKind).Publish(r.Context(), r.Publisher, 1)
			},
			"2 messages to take over": func() (queue.PublishResult, error) {
				return mails.Publish(r.Context(), r.Publisher, mail{}, queue.Message{}, queue.Message{})
			},
			"has a body": func() (queue.PublishResult, error) {
				return mails.Publish(r.Context(), r.Publisher, mail{}, queue.Message{Body: []byte("{}")})
			},
		} {
			result, err := publish()
			require.Equal(r, queue.PublishResult{Err: err}, result)
			require.ErrorIs(r, err, gentask.ErrConfig)
			require.ErrorContains(r, err, want)
		}
		var unsupported *json.UnsupportedTypeError
		_, err := gentask.NewKind[chan int]("bad").Publish(r.Context(), r.Publisher, nil)
		require.ErrorAs(r, err, &unsupported)
		require.Zero(r, r.Memory.Stats().Published)
	})
}

// TestKind_Duplicate: the publisher learns that its message was dropped, and the id of each.
func TestKind_Duplicate(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		for _, duplicate := range []bool{false, true, true} {
			result, err := mails.Publish(r.Context(), r.Publisher, mail{}, queue.Message{ID: "1", UniqueKey: "once"})
			require.NoError(r, err)
			require.Equal(r, queue.PublishResult{ID: "1", Duplicate: duplicate}, result)
		}
		require.Equal(r, 1, r.Memory.Stats().Ready)
	})
}

// TestKind_Roundtrip: each kind's own function gets its own type, by JSON or a codec, and AnyKind
// what is left.
func TestKind_Roundtrip(t *testing.T) {
	set, err := codec.New(codec.Config{Version: "2"})
	require.NoError(t, err)
	numbers := gentask.NewKind[int]("number").WithEncoder(set.Encode)
	rest := gentask.NewKind[[]byte](gentask.AnyKind)
	rig.Memory().Run(t, func(r *rig.Rig) {
		got := make(chan any, 4)
		r.Start(gentask.MuxKinds(
			mails.Handle(func(_ context.Context, m mail) error { got <- m; return nil }),
			numbers.With(gentask.Work(&rig.Worker[int, int]{
				OnRun: func(_ context.Context, n int) (int, error) { return 2 * n, nil },
				OnResult: func(job gentask.Job[int], o task.Outcome[int]) gentask.Decision {
					got <- fmt.Sprint(job.Headers()[queue.HeaderVersion], " ", o.Value)
					return gentask.Ack()
				},
			})),
			rest.Handle(func(_ context.Context, body []byte) error { got <- string(body); return nil }),
		), gentask.Config{Decode: set.Decode, Concurrency: 1})
		publishAs(r, mails, mail{To: "anna"})
		publishAs(r, numbers, 21)
		raw := []byte("left")
		require.NoError(r, r.Publisher.Publish(r.Context(), queue.Message{Body: raw, ContentType: "application/octet-stream"}))
		r.Finish()
		require.Equal(r, mail{To: "anna"}, <-got)
		require.Equal(r, "2 42", <-got)
		require.Equal(r, "left", <-got)
	})
}

// TestKind_Attempts: a kind's MaxAttempts takes the place of the consumer's, more or less, for what
// fails and for what was lost with its process.
func TestKind_Attempts(t *testing.T) {
	const forConsumer = 3
	for name, c := range map[string]struct{ options, want int }{
		"the consumer's": {0, forConsumer}, "fewer": {1, 1}, "more": {5, 5},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				fails := func(context.Context, mail) error { return errOwn }
				cfg := gentask.Config{Retry: gentask.Retry{MaxAttempts: forConsumer}}
				r.Start(gentask.MuxKinds(mails.Handle(fails, gentask.KindOptions{MaxAttempts: c.options})), cfg)
				publishAs(r, mails, mail{})
				r.Finish()
				ends := r.Events(gentask.EventDone)
				require.Len(r, ends, c.want)
				last := ends[c.want-1]
				require.Equal(r, queue.DeadLetter, last.Disposition)
				require.Equal(r, c.want, last.Attempt)
				require.Equal(r, &gentask.AttemptsError{Attempt: c.want, Max: c.want, Err: errOwn}, asAttempts(r, last.Reason))
			})
			msg, err := mails.Message(mail{})
			require.NoError(t, err)
			for lost, runs := range map[int]bool{c.want - 1: true, c.want: false} {
				result := gentasktest.Run(t, gentask.MuxKinds(mails.Handle(func(context.Context, mail) error { return nil },
					gentask.KindOptions{MaxAttempts: c.options})), gentasktest.Attempt(msg, lost+1),
					gentask.Config{Retry: gentask.Retry{MaxAttempts: forConsumer}})
				require.Equal(t, runs, result.Disposition == queue.Ack, "after %d attempts that were lost", lost)
			}
		})
	}
}

func asAttempts(r *rig.Rig, err error) *gentask.AttemptsError {
	r.Helper()
	var attempts *gentask.AttemptsError
	require.ErrorAs(r, err, &attempts)
	return &gentask.AttemptsError{Attempt: attempts.Attempt, Max: attempts.Max, Err: errors.Unwrap(attempts)}
}

// TestKind_Timeout: a kind's Timeout takes the place of the consumer's, also within another Mux and
// in a batch.
func TestKind_Timeout(t *testing.T) {
	hangs := func(ctx context.Context) error { return rig.Pause(ctx, time.Hour) }
	for name, b := range map[string]gentask.Behavior{
		"handle": gentask.Handle(func(ctx context.Context, _ mail) error { return hangs(ctx) }),
		"within another": gentask.Mux("sub", map[string]gentask.Behavior{
			"": gentask.Handle(func(ctx context.Context, _ mail) error { return hangs(ctx) }),
		}),
		"batch": gentask.Batch(func(ctx context.Context, _ []gentask.Job[mail]) (gentask.Results, error) { return nil, hangs(ctx) },
			gentask.BatchConfig{Size: 1}),
	} {
		for limit, want := range map[time.Duration]time.Duration{
			0: time.Minute, time.Second: time.Second, 10 * time.Minute: 10 * time.Minute, -1: time.Hour,
		} {
			t.Run(fmt.Sprint(name, " ", limit), func(t *testing.T) {
				rig.Memory().Run(t, func(r *rig.Rig) {
					r.Limit = 2 * time.Hour
					r.Start(gentask.MuxKinds(mails.With(b, gentask.KindOptions{Timeout: limit})),
						gentask.Config{Timeout: time.Minute, Retry: gentask.Retry{MaxAttempts: 1}})
					publishAs(r, mails, mail{})
					r.Finish()
					end := r.Events(gentask.EventDone)[0]
					require.Equal(r, want, end.RunTime.Round(time.Second))
				})
			})
		}
	}
}

// TestKind_TimeoutOfIdleWorker: it limits an actor that runs no task, too.
func TestKind_TimeoutOfIdleWorker(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Healed = true
		idle := gentask.Actor(func(gentask.ActorJob[mail]) *actor.Props { return actor.FromFunc(func(actor.Context) {}) })
		r.Start(gentask.MuxKinds(mails.With(idle, gentask.KindOptions{Timeout: 5 * time.Second, MaxAttempts: 1})), gentask.Config{Timeout: time.Hour})
		begin := time.Now()
		publishAs(r, mails, mail{})
		r.Finish()
		require.InDelta(r, 5*time.Second, time.Since(begin), float64(2*time.Second))
		end := r.Events(gentask.EventDone)[0]
		require.Equal(r, queue.DeadLetter, end.Disposition)
		require.ErrorIs(r, end.Reason, gentask.ErrWorkerIdle)
	})
}

// TestKind_TimeoutOfOthers: other kinds keep the consumer's.
func TestKind_TimeoutOfOthers(t *testing.T) {
	reports := gentask.NewKind[int]("report")
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Start(gentask.MuxKinds(
			mails.Handle(func(ctx context.Context, _ mail) error { return rig.Pause(ctx, time.Hour) }, gentask.KindOptions{Timeout: time.Second}),
			reports.Handle(func(ctx context.Context, _ int) error { return rig.Pause(ctx, time.Hour) }),
		), gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}})
		publishAs(r, mails, mail{}, queue.Message{ID: "mail"})
		publishAs(r, reports, 1, queue.Message{ID: "report"})
		r.Finish()
		took := map[string]time.Duration{}
		for _, e := range r.Events(gentask.EventDone) {
			require.Equal(r, task.Timeout, e.Outcome)
			took[e.ID] = e.RunTime
		}
		require.Equal(r, map[string]time.Duration{"mail": time.Second, "report": 30 * time.Second}, took)
	})
}

// TestMuxKinds_Mistakes are all named at once, together with those of the Config.
func TestMuxKinds_Mistakes(t *testing.T) {
	f := func(context.Context, mail) error { return nil }
	_, err := gentask.New(nil, gentask.MuxKinds(
		gentask.NewKind[mail]("").Handle(f),
		gentask.NewKind[mail]("twice").Handle(f), gentask.NewKind[mail]("twice").Handle(f),
		gentask.NewKind[mail]("nil").Handle(nil),
		gentask.NewKind[mail]("times").Handle(f, gentask.KindOptions{Timeout: -2, MaxAttempts: -3}),
		gentask.NewKind[mail]("many").Handle(f, gentask.KindOptions{}, gentask.KindOptions{}),
		gentask.NewKind[mail]("batch").With(gentask.Batch(func(context.Context, []gentask.Job[mail]) (gentask.Results, error) { return nil, nil },
			gentask.BatchConfig{Size: 11})),
	), gentask.Config{Timeout: -2, Policy: gentask.Policy{Rate: gentask.Rate{PerSecond: -1}}})
	for _, want := range []string{
		"source is nil", "Timeout is -2ns; want 0 for 30s", "Policy.Rate.PerSecond is -1",
		`name of a kind in MuxKinds is ""`, `kind "twice" in MuxKinds is named twice`, `kind "nil" of Mux is empty`,
		`kind "times": KindOptions.Timeout is -2ns`, `kind "times": KindOptions.MaxAttempts is -3`, `kind "many": options is 2`,
		`BatchConfig.Size is 11`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorIs(t, err, gentask.ErrConfig)
	_, err = gentask.New(nil, gentask.MuxKinds(), gentask.Config{})
	require.ErrorContains(t, err, "behavior is empty")
}
