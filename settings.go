package gentask

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
)

// settings is a Config that has been checked, with its defaults filled in.
type settings struct {
	Config
	random     func() float64
	seed       maphash.Seed // of identities
	hooks      *hooks
	runFunc    RunFunc      // the middleware; nil without any
	byDefault  bool         // the Logger is slog.Default()
	jobs       slog.Handler // of the jobs' own records: that of the Logger, called directly
	place      []slog.Attr  // of all records
	partitions int          // of the task supervisor; zero for one per processor

	behavior Behavior
	kinds    map[*KindOptions]*settings // those of the kinds that have options; nil if none has
}

// forBehavior completes the settings with what they are for.
func (s *settings) forBehavior(b Behavior) {
	s.behavior, s.kinds = b, map[*KindOptions]*settings{}
	b.variants(s)
}

// with returns a copy with the options of a kind.
func (s *settings) with(o *KindOptions) *settings {
	own := *s
	own.Timeout, own.Retry.MaxAttempts = or(o.Timeout, s.Timeout), or(o.MaxAttempts, s.Retry.MaxAttempts)
	return &own
}

// of returns the settings for a message: those of its kind, if that has options.
func (s *settings) of(m *queue.Message) *settings {
	if len(s.kinds) == 0 {
		return s
	}
	if own := s.kinds[s.behavior.of(m).options]; own != nil {
		return own
	}
	return s
}

// settings returns c with its defaults, and everything that makes no sense of it.
func (c Config) settings() (*settings, error) {
	runFunc, err := wrap(c.Policy.Middleware)
	err = errors.Join(c.check(), err)
	c = c.orDefaults()
	s := &settings{
		Config: c, random: defaultRandom, seed: maphash.MakeSeed(), hooks: newHooks(), runFunc: runFunc,
		byDefault: c.Logger == nil,
	}
	if s.byDefault {
		s.Logger = slog.Default()
	}
	s.jobs = s.Logger.Handler()
	s.Logger = s.hooks.log(s.Logger)
	return s, err
}

// orDefaults returns c with the values that its zero fields stand for.
func (c Config) orDefaults() Config {
	clampSpans(reflect.ValueOf(&c).Elem())
	c.Name = or(c.Name, "gentask")
	c.Concurrency = or(c.Concurrency, defaultConcurrency)
	c.Prefetch = or(c.Prefetch, c.Concurrency)
	c.Timeout = or(c.Timeout, 30*time.Second)
	c.Grace = or(c.Grace, defaultGrace)
	c.Retry = c.Retry.orDefaults()
	c.MaxAbandoned = or(c.MaxAbandoned, c.Concurrency)
	c.DrainTimeout = or(c.DrainTimeout, 30*time.Second)
	c.Reconnect = c.Reconnect.or(100*time.Millisecond, defaultReconnect)
	c.OpenTimeout = or(c.OpenTimeout, 30*time.Second)
	c.Restarts = or(c.Restarts, 3)
	c.Unknown = c.Unknown.orDefaults()
	if c.Decode == nil {
		c.Decode = DecodeJSON
	}
	return c
}

// taskTimeout returns Timeout for the task supervisor, for which zero means never.
func (s *settings) taskTimeout() time.Duration { return max(s.Timeout, 0) }

// graceTime returns the duration of Grace.
func (s *settings) graceTime() time.Duration { return max(s.Grace, 0) }

// resourceUser returns what a resource needs to know.
func (s *settings) resourceUser() ResourceUser {
	return ResourceUser{Name: s.Name, Concurrency: s.Concurrency, Grace: s.graceTime(), Logger: s.Logger}
}

// stopLimit returns how long a stop takes at most, unless something hangs. bounded is false if
// there is no limit.
func (s *settings) stopLimit() (limit time.Duration, bounded bool) {
	const forever = 100 * 24 * time.Hour
	drain, grace := max(s.DrainTimeout, 0), s.graceTime()
	if drain > forever || grace > forever {
		return 0, false
	}
	return drain + grace + flushTime + link.CloseTimeout + 2*link.DriverGrace + 2*hookTime + storeTime, true
}

// maxAbandoned returns MaxAbandoned for the task supervisor, for which zero means no limit.
func (s *settings) maxAbandoned() int { return max(s.MaxAbandoned, 0) }

// lastAttempt reports whether no attempt may follow this one.
func (s *settings) lastAttempt(attempt int) bool {
	return s.Retry.MaxAttempts != never && attempt >= s.Retry.MaxAttempts
}

// spent reports whether the attempt is one too many because earlier ones were lost with their
// session or process.
func (s *settings) spent(attempt int) bool {
	return s.Retry.MaxAttempts != never && attempt > s.Retry.MaxAttempts
}

func (s *settings) sessionOptions() queue.Options {
	return queue.Options{Prefetch: s.Prefetch, Name: s.Name}
}

const (
	defaultConcurrency = 10              // of Config.Concurrency
	defaultGrace       = 5 * time.Second // of Config.Grace
)

// unknownVersion returns a *foreignError for a message of a version that isn't supported.
func (s *settings) unknownVersion(m *queue.Message) error {
	if s.Versions == nil {
		return nil
	}
	version := m.Headers[queue.HeaderVersion]
	if version == "" || slices.Contains(s.Versions, version) {
		return nil
	}
	return &foreignError{what: "version", header: queue.HeaderVersion, name: version, known: s.Versions}
}

// systemLog returns the Logger of the actor system that Start makes.
func (s *settings) systemLog() *slog.Logger {
	if s.hooks.logs == nil {
		return s.Logger
	}
	foreign := s.hooks.logs.Foreign()
	if s.byDefault {
		foreign = foreign.AtLeast(slog.LevelWarn)
	}
	return slog.New(foreign)
}

// within calls run through the middleware. There must be one.
func (s *settings) within(
	ctx context.Context, e *entry, payload any, run func(context.Context) (any, error),
) (any, error) {
	return s.runFunc(context.WithValue(ctx, runKey{}, run), Job[any]{entry: e, payload: payload})
}

// logFrom adds the attributes of a consumer of source to its loggers.
func (s *settings) logFrom(source queue.Source) {
	s.place = placeAttrs(s.Name, source)
	s.Logger = slog.New(s.Logger.Handler().WithAttrs(s.place))
	s.jobs = s.jobs.WithAttrs(s.place)
}
