package gentask

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// setup are the directives that must come before the start, and are not in the transcript; acts are
// the others. The README beside the transcripts describes them.
var (
	setup = map[string]func(p *replay, args string) error{
		"set":    func(p *replay, args string) error { return assign(&p.cfg, args) },
		"worker": func(p *replay, args string) error { p.kind = args; return nil },
		"run":    func(p *replay, args string) error { return script(p.runs, args) },
		"handle": func(p *replay, args string) error { return script(p.asks, args) },
		"actor":  func(p *replay, args string) error { return script(p.actors, args) },
		"store":  (*replay).useStore,
		"order": func(p *replay, header string) error {
			p.cfg.Policy.Order = Order{Key: KeyHeader(header), Strict: true}
			return nil
		},
		"died":   (*replay).died,
		"queued": (*replay).publish,
	}
	acts = map[string]func(p *replay, args string) error{
		"publish":  (*replay).publish,
		"fault":    (*replay).fault,
		"lose":     (*replay).lose,
		"pause":    func(p *replay, _ string) error { return p.ask(&pauseRequest{on: true, answer: func(error) {}}) },
		"resume":   func(p *replay, _ string) error { return p.ask(&pauseRequest{answer: func(error) {}}) },
		"cancel":   func(p *replay, id string) error { return p.ask(&cancelRequest{id: id, answer: func(error) {}}) },
		"override": (*replay).override,
		"stop":     func(p *replay, _ string) error { p.stop(); return nil },
		"kill":     (*replay).kill,
		"stall":    func(p *replay, _ string) error { p.q.Stall(); return nil },
		"stick":    func(p *replay, _ string) error { p.stuck.Store(true); return nil },
		"crash":    func(p *replay, _ string) error { return p.ask(crashLedger{}) },
	}
)

// directive carries out one line of a script.
func (p *replay) directive(line string) error {
	name, args, _ := strings.Cut(line, " ")
	if prepare, ok := setup[name]; ok && p.consumer == nil {
		return prepare(p, args)
	}
	act, ok := acts[name]
	switch {
	case name == "start":
		p.log.begin()
		p.log.add(lineDo, "%s", line)
		return p.begin()
	case name == "fault" && p.consumer == nil:
		return p.fault(args)
	case name == "end":
		p.cut = true
		return nil
	case !ok && name != "wait":
		return errors.New("no such directive here")
	}
	if err := p.begin(); err != nil {
		return err
	}
	if name == "wait" {
		d, err := time.ParseDuration(args)
		p.until(d, nil)
		return err
	}
	p.log.begin()
	p.log.add(lineDo, "%s", line)
	if err := act(p, args); err != nil {
		return err
	}
	p.settle()
	return nil
}

// begin starts the consumer, and lets it open its session.
func (p *replay) begin() error {
	if p.consumer != nil {
		return nil
	}
	if err := p.start(); err != nil {
		return err
	}
	p.settle()
	return nil
}

// script adds what happens one after the other for an ID, as in "a: error boom; ok".
func script(to map[string][]string, args string) error {
	id, all, found := strings.Cut(args, ": ")
	if !found {
		return errors.New("want an ID, a colon, and what happens")
	}
	to[id] = strings.Split(all, "; ")
	return nil
}

// errorsByName are the errors that a script can name.
var errorsByName = map[string]error{
	"ErrTooLarge": queue.ErrTooLarge, "ErrConfig": queue.ErrConfig, "ErrUnavailable": queue.ErrUnavailable,
	"ErrDrained": ErrDrained,
}

// assign sets a field, as in "Policy.Breaker.MinRuns 2".
func assign(to any, args string) error {
	path, text, _ := strings.Cut(args, " ")
	field := reflect.ValueOf(to).Elem()
	for name := range strings.SplitSeq(path, ".") {
		if field = field.FieldByName(name); !field.IsValid() {
			return fmt.Errorf("no field %s", name)
		}
	}
	value, err := parse(field.Interface(), text)
	if field.Type() == reflect.TypeFor[error]() {
		value, err = errorsByName[text], nil
	}
	if value == nil || err != nil {
		return fmt.Errorf("%q is no %v: %w", text, field.Type(), err)
	}
	field.Set(reflect.ValueOf(value))
	return nil
}

// parse returns the value of the same type that the text stands for; nil if there is none.
func parse(like any, text string) (any, error) {
	switch like.(type) {
	case bool:
		return strconv.ParseBool(text)
	case int:
		return strconv.Atoi(text)
	case float64:
		return strconv.ParseFloat(text, 64)
	case memory.Fault:
		n, err := strconv.Atoi(text)
		return memory.Times(n), err
	case time.Duration:
		if text == "-1" {
			return time.Duration(never), nil
		}
		return time.ParseDuration(text)
	}
	return nil, nil //nolint:nilnil // see the comment
}

func (p *replay) useStore(args string) error {
	takes, err := time.ParseDuration(args)
	p.cfg.Policy.Dedup.Store = &slowStore{replay: p, takes: takes, done: map[string]bool{}}
	return err
}

// publish publishes messages with the given IDs, all at once. A word with an equals sign is a
// header of all of them, and "undecodable" gives them a body that can't be decoded.
func (p *replay) publish(args string) error {
	var msgs []queue.Message
	headers, body := map[string]string{}, ""
	for word := range strings.FieldsSeq(args) {
		key, value, header := strings.Cut(word, "=")
		switch {
		case header:
			headers[key] = value
		case word == "undecodable":
			body = "{"
		default:
			msgs = append(msgs, queue.Message{ID: word})
		}
	}
	for i := range msgs {
		msgs[i].Headers = headers
		if msgs[i].Body = []byte(body); body == "" {
			msgs[i].Body = []byte(`{"ID":"` + msgs[i].ID + `"}`)
		}
	}
	return p.q.Publish(context.Background(), msgs...)
}

// died publishes messages that another node held when it died, once each.
func (p *replay) died(args string) error {
	if err := p.publish(args); err != nil {
		return err
	}
	n := p.q.Stats().Ready
	other, err := p.q.Open(context.Background(), queue.Options{Prefetch: n})
	for range n {
		if err == nil {
			_, err = other.Receive(context.Background())
		}
	}
	p.q.LoseSessions()
	return err
}

// fault sets one of memory.Faults, or ends them all.
func (p *replay) fault(args string) error {
	if args == "none" {
		p.q.SetFaults(memory.Faults{})
		return nil
	}
	f := p.q.Faults()
	err := assign(&f, args)
	p.q.SetFaults(f)
	return err
}

func (p *replay) lose(what string) error {
	if what != "session" || p.q.LoseSessions() == 0 {
		return errors.New("want an open session")
	}
	return nil
}

// override sets overrides: paused, breaker-open, drained, and cancelled=ID; without any, none.
func (p *replay) override(args string) error {
	o, by := Overrides{Cancelled: map[string]Author{}}, Author{By: "ana"}
	for word := range strings.FieldsSeq(args) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "paused":
			o.Paused = Override[bool]{true, by}
		case "breaker-open":
			o.BreakerOpen = Override[bool]{true, by}
		case "drained":
			o.Drained = Override[bool]{true, by}
		case "cancelled":
			o.Cancelled[value] = by
		default:
			return errors.New("want paused, breaker-open, drained or cancelled=ID")
		}
	}
	p.consumer.overrides.Store(&o)
	return p.ask(&overrideRequest{answer: func([]OverrideChange) {}})
}

// ask sends the ledger a message.
func (p *replay) ask(msg any) error {
	pid := p.consumer.current().ledger.Load()
	if pid == nil {
		return errors.New("there is no ledger")
	}
	actor.Send(p.sys, pid, msg)
	return nil
}

// crashLedger is a message that makes the ledger panic.
type crashLedger struct{}

func (crashLedger) look(actor.Context, *ledger) { panic("crash") }

// kill kills an actor.
func (p *replay) kill(args string) error {
	what, id, _ := strings.Cut(args, " ")
	l := p.ledger // at rest no other goroutine is in it
	switch what {
	case "tasks":
		actor.Kill(p.sys, l.tasks)
	case "workers":
		actor.Kill(p.sys, l.workers.supervisor)
	case "ledger":
		actor.Kill(p.sys, l.self)
	case "worker":
		for e := range l.busy.All() {
			if e.delivery.ID == id && e.workerPID() != nil {
				actor.Kill(p.sys, e.workerPID())
				return nil
			}
		}
		return errors.New("there is no such worker")
	default:
		return errors.New("want tasks, workers, ledger, or worker and an ID")
	}
	return nil
}
