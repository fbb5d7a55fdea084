package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/internal/link"
)

const (
	// tickEvery is the interval of the watchdog. It heals within twice that.
	tickEvery = 500 * time.Millisecond

	// stillFor is how long nothing may move, with the prefetch full and no job running, before the
	// session is given up.
	stillFor = 400 * time.Millisecond

	// handleLimit bounds a HandleResult. It is user code that runs in the worker, so that it can't
	// be stopped. Its job is settled without it.
	handleLimit = 10 * time.Second

	// birthLimit is how long the worker supervisor may take to start a worker. A supervisor that
	// was killed while a HandleResult hangs can't end, and starts no more workers.
	birthLimit = 5 * time.Second

	// backlogTime bounds a request for the broker's backlog, and one for the reason of a standby.
	backlogTime = time.Second
)

var (
	// ErrSettleTimeout is the reason of a settlement that the driver did not answer for 10 s, for
	// example because the broker blocks publishers.
	ErrSettleTimeout = link.ErrSettleTimeout

	// ErrStalled is the reason of a session that was given up because nothing moved: the prefetch
	// was full and no job was running.
	ErrStalled = errors.New("gentask: prefetch full and nobody working")

	// ErrSilent is the reason of a session that was given up because nothing came, although
	// messages waited at the broker and slots were free.
	ErrSilent = errors.New("gentask: messages wait and none is delivered")

	// ErrDriverStuck is the reason of a session that was given up, or could not be opened, because
	// the driver did not return. It had 5 s beyond the time limit of a call, or of Receive after
	// Cancel.
	ErrDriverStuck = errors.New("gentask: driver does not return")

	// ErrWorkersStuck is the reason of a worker supervisor that was given up because it started no
	// worker for 5 s.
	ErrWorkersStuck = errors.New("gentask: worker supervisor starts no worker")

	// ErrHandleResult is the reason of a job whose HandleResult did not return within 10 s.
	ErrHandleResult = errors.New("gentask: HandleResult did not return")
)

// ErrWorkerIdle is the reason of an [EventHealed] about a worker made by [Actor], and is wrapped by
// the reason of its job. The worker held a slot for [Config.Timeout] without running a task, or
// without ending after it had settled. Or it left the timeout of its task unanswered for as long.
var ErrWorkerIdle = errors.New("gentask: worker neither runs a task, nor settles, nor ends")
