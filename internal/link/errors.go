package link

import (
	"errors"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
)

var (
	// ErrSettleTimeout is the cause of a context of Session.Settle that ended because the driver
	// did not return in time, for example because the broker blocks publishers.
	ErrSettleTimeout = errors.New("gentask: no answer to the settlement")

	// ErrNoSession breaks a link whose driver breaks the contract of Source.Open.
	ErrNoSession = errors.New("gentask: Source.Open returned neither a session nor an error")
	// ErrNoDelivery breaks a link whose driver breaks the contract of Session.Receive.
	ErrNoDelivery = errors.New("gentask: Session.Receive returned neither a delivery nor an error")
)

// crashed reports whether err is a panic or a Goexit.
func crashed(err error) bool {
	_, panicked := guard.As[*actor.PanicError](err)
	return panicked || guard.Is(err, actor.ErrGoexit)
}
