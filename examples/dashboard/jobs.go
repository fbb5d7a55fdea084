package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gentask/gentask"
)

// order is a job of the queue orders.
type order struct {
	Number   int    `json:"number"`
	Customer string `json:"customer"`
	Cents    int    `json:"cents"`
	Items    int    `json:"items"`
}

type address struct{ City string }

// addresses has none for guests, who order without an account.
var addresses = map[string]*address{"anna": {"Lisbon"}, "bert": {"Oslo"}, "carla": {"Turin"}, "dmitri": {"Riga"}}

// bill has two bugs, which its dead letters show: it divides by the number of items, and a guest
// has no address.
func bill(ctx context.Context, o order) error {
	log := gentask.Logger(ctx)
	log.Info("billing", "customer", o.Customer, "cents", o.Cents)
	if err := work(ctx, 20*time.Millisecond, 200*time.Millisecond); err != nil {
		return err
	}
	log.Info("priced", "each", perItem(o), "ship_to", cityOf(o))
	switch {
	case chance(0.03):
		return errors.New("payment gateway: 502 Bad Gateway") // tried again
	case chance(0.008):
		return gentask.DeadLetter(errors.New("card declined: insufficient funds"))
	}
	return nil
}

func perItem(o order) int { return o.Cents / o.Items }

func cityOf(o order) string { return addresses[o.Customer].City }

// email is a job of the queue emails.
type email struct {
	To       string `json:"to"`
	Template string `json:"template"`
}

// mailServer is down for the last 20 seconds of each minute since it was made.
type mailServer struct{ since time.Time }

func (m mailServer) down() bool { return time.Since(m.since)%time.Minute > 40*time.Second }

// send fails while the mail server is down. The breaker then opens, tries it now and then, and
// closes when it is back.
func (m mailServer) send(ctx context.Context, e email) error {
	gentask.Logger(ctx).Info("sending", "template", e.Template)
	if err := work(ctx, 10*time.Millisecond, 120*time.Millisecond); err != nil {
		return err
	}
	switch {
	case m.down():
		return errors.New("dial tcp 10.0.4.25:25: connect: connection refused")
	case chance(0.01):
		return gentask.DeadLetter(fmt.Errorf("550 no such user: %s", e.To))
	}
	return nil
}

// image is a job of the queue thumbnails.
type image struct {
	Path   string `json:"path"`
	Width  int    `json:"width"`
	Frames int    `json:"frames"` // more than one for a film
}

// shrink takes seconds for a film, and hangs for ever with a few images: its timeout ends that.
func shrink(ctx context.Context, i image) error {
	gentask.Logger(ctx).Info("decoding", "path", i.Path)
	took := 200 * time.Millisecond * time.Duration(i.Frames)
	if err := work(ctx, took, 3*took); err != nil {
		return err
	}
	switch {
	case chance(0.003):
		<-ctx.Done()
		return context.Cause(ctx)
	case chance(0.02):
		return gentask.DeadLetter(fmt.Errorf("%s: invalid JPEG format: missing SOI marker", i.Path))
	}
	return nil
}

// work takes a while between least and most, unless ctx ends before.
func work(ctx context.Context, least, most time.Duration) error {
	select {
	case <-time.After(least + rand.N(most-least)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func chance(p float64) bool { return rand.Float64() < p }
