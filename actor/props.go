package actor

import (
	"reflect"

	pa "github.com/asynkron/protoactor-go/actor"
)

// PropsError is the panic of the spawn functions for Props of which neither the readiness nor the
// end of the actor could be reported. Supervisors report it as the reason of a failed start.
type PropsError struct {
	problem string // the mistake in the Props, or in the actor that was made of them
	want    string // the remedy
}

// Error returns the mistake and the remedy.
func (e *PropsError) Error() string { return "actor: " + e.problem + "; want " + e.want }

// CheckProps returns a [*PropsError] for Props that [Spawn] does not take, and nil for all others.
// It refuses nil, Props without a producer, and Props with a guardian, which only root actors can
// have. It also refuses Props with a spawn function of their own, such as those of protoactor-go's
// routers.
//
// Dispatcher, middleware, context decorators, init functions and supervisor strategy work as in
// protoactor-go. A mailbox is replaced by that of this package.
func CheckProps(props *Props) error {
	if err := checkRootProps(props); err != nil {
		return err
	}
	if has(props, guardianField) {
		return &PropsError{"Props with a guardian can't make a child", "Props without pa.WithGuardian, or SpawnRoot"}
	}
	return nil
}

func checkRootProps(props *Props) error {
	switch {
	case props == nil:
		return &PropsError{"Props are nil", "those of actor.FromFunc or actor.FromProducer"}
	case has(props, spawnerField):
		return &PropsError{
			"Props with a spawn function of their own, such as a router's, make a process that tells neither " +
				"that it is ready nor how it ends",
			"Props of an actor: one of your own that calls ctx.Spawn with these Props when it gets *actor.Started",
		}
	case !has(props, producerField):
		return &PropsError{"Props have no producer", "those of actor.FromFunc or actor.FromProducer"}
	}
	return nil
}

// These fields of Props have no function in protoactor-go.
var (
	spawnerField  = propsField("spawner")
	producerField = propsField("producer")
	guardianField = propsField("guardianStrategy")
)

func propsField(name string) []int {
	f, _ := reflect.TypeFor[Props]().FieldByName(name)
	return f.Index
}

// has reports whether a field of props is set. It calls none of the values.
func has(props *Props, field []int) bool {
	return !reflect.ValueOf(props).Elem().FieldByIndex(field).IsNil()
}

// notOurs is the error of a spawn whose mailbox is not at the PID that it returned.
func notOurs(pid *PID) *PropsError {
	at := "no PID"
	if pid != nil {
		at = "the PID " + pid.Id
	}
	return &PropsError{
		"the spawn middleware returned " + at + ", where no actor with the given Props lives",
		"middleware that returns what next returned, for the Props that it was given",
	}
}

// withMailbox returns a copy of props whose mailboxes are those of s. A copy of the struct costs
// one allocation, Props.Clone a dozen.
func withMailbox(props *Props, s *spawner) *Props {
	cp := *props
	return cp.Configure(pa.WithMailbox(func() pa.Mailbox {
		s.made = &mailbox{link: s.link}
		return s.made
	}))
}
