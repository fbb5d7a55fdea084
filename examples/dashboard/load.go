package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/gentask/gentask/queue"
)

// load publishes about 35 jobs a second until ctx ends: fewer, then more, in waves of 90 seconds.
func (s *shop) load(ctx context.Context) error {
	const every = 20 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	start := time.Now()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		wave := 1 + 0.5*math.Sin(2*math.Pi*time.Since(start).Seconds()/90)
		due := func(perSecond float64) bool { return chance(wave * perSecond * every.Seconds()) }
		var err error
		if due(14) {
			err = publish(ctx, s.orders, fmt.Sprint("order-", n), newOrder(n), time.Time{})
		}
		if due(16) && err == nil {
			err = publish(ctx, s.emails, fmt.Sprint("mail-", n), newEmail(), reminder())
		}
		if due(5) && err == nil {
			err = publish(ctx, s.thumbnails, fmt.Sprint("image-", n), newImage(n), time.Time{})
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func publish(ctx context.Context, to queue.Publisher, id string, job any, notBefore time.Time) error {
	body, err := json.Marshal(job)
	if err != nil {
		return err
	}
	return to.Publish(ctx, queue.Message{
		ID: id, Body: body, ContentType: "application/json", NotBefore: notBefore, Headers: map[string]string{"shop": "example.com"},
	})
}

func newOrder(n int) order {
	customers := []string{"anna", "bert", "carla", "dmitri"}
	o := order{Number: n, Customer: customers[rand.N(len(customers))], Cents: 500 + rand.N(20_000), Items: 1 + rand.N(5)}
	switch {
	case chance(0.01):
		o.Customer = "guest"
	case chance(0.005):
		o.Items = 0
	}
	return o
}

func newEmail() email {
	templates := []string{"receipt", "shipped", "welcome"}
	return email{To: fmt.Sprintf("customer-%d@example.com", rand.N(1000)), Template: templates[rand.N(len(templates))]}
}

// reminder returns when an e-mail is due: most at once, some in minutes.
func reminder() time.Time {
	if !chance(0.05) {
		return time.Time{}
	}
	return time.Now().Add(time.Minute + rand.N(5*time.Minute))
}

// newImage returns an image, or a film. A few are not what the job expects, and fail before they
// run.
func newImage(n int) any {
	i := image{Path: fmt.Sprintf("uploads/%d.jpg", n), Width: 320, Frames: 1}
	switch {
	case chance(0.02):
		i.Frames = 25
	case chance(0.005):
		return "uploads/" + i.Path
	}
	return i
}
