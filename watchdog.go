package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/internal/link"
)

const (
	// tickEvery is how often the watchdog looks; it heals within twice that.
	tickEvery = 500 * time.Millisecond

	// stillFor is how long nothing may move, with the prefetch full and nobody working, before the session is given up.
	stillFor = 400 * time.Millisecond

	// handleLimit is how long a HandleResult may take. It is code of the user's that runs in the worker, so nobody can stop it; its job is
	// settled without it.
	handleLimit = 10 * time.Second

	// birthLimit is how long the worker supervisor may take to start a worker. One that was killed while a HandleResult hangs can't end, and
	// starts none any more.
	birthLimit = 5 * time.Second

	// backlogTime bounds the question for the broker's backlog.
	backlogTime = time.Second
)

var (
	// ErrSettleTimeout is the reason of a settlement that the driver did not answer for 10 s, for example
	// because the broker blocks publishers.
	ErrSettleTimeout = link.ErrSettleTimeout

	// ErrStalled is the reason of a session that was given up because nothing moved: the prefetch was full and nobody worked.
	ErrStalled = errors.New("gentask: prefetch full and nobody working")

	// ErrSilent is the reason of a session that was given up because nothing came, although messages waited at the broker and slots were free.
	ErrSilent = errors.New("gentask: messages wait and none is delivered")

	// ErrDriverStuck is the reason of a session that was given up, or could not be opened, because the driver did not return from a call, or from
	// Receive after Cancel, 5 s after the time for it was over.
	ErrDriverStuck = errors.New("gentask: driver does not return")

	// ErrWorkersStuck is the reason of a worker supervisor that was given up because it started no worker for 5 s.
	ErrWorkersStuck = errors.New("gentask: worker supervisor starts no worker")

	// ErrHandleResult is the reason of a job whose HandleResult did not return within 10 s.
	ErrHandleResult = errors.New("gentask: HandleResult did not return")
)

// ErrWorkerIdle is the reason of an EventHealed, and wrapped by that of the job: its worker, made by Actor, held
// a slot for Config.Timeout without running a task, or settled and did not end, or left the timeout of its task
// unanswered for as long.
var ErrWorkerIdle = errors.New("gentask: worker neither runs a task, nor settles, nor ends")
