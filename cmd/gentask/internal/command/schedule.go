package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/schedule"
)

func (a *app) schedule() *cli.Command {
	store := &cli.StringFlag{
		Name: "store", Usage: "`NAME` of the store with the plans",
		DefaultText: "that of the fleet",
	}
	verb := func(name, usage string, f func(p *schedule.Plans, ctx context.Context, plan string) error) *cli.Command {
		return &cli.Command{
			Name: name, Usage: usage, ArgsUsage: "SET PLAN", Flags: []cli.Flag{store},
			Action: a.do(spec{least: 2, most: 2}, func(ctx context.Context, s *session) error {
				return s.withPlans(ctx, func(ctx context.Context, plans *schedule.Plans) error {
					return f(plans, ctx, s.Args().Get(1))
				})
			}),
		}
	}
	return &cli.Command{
		Name: "schedule", Usage: "show and change stored plans of periodic jobs",
		Description: `SET is the name with which the program opens its plans by schedule.OpenPlans,
and --store is the name of the store that it gives there. All nodes follow a change within moments.`,
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "show the plans, with their next and last firing", ArgsUsage: "SET",
				Flags: []cli.Flag{store}, Action: a.do(spec{least: 1, most: 1}, listPlans),
			},
			{
				Name: "add", Usage: "add a plan, or replace the one with its name", ArgsUsage: "SET PLAN CRON",
				Flags:  append(planFlags(), store),
				Action: a.do(spec{least: 3, most: 3}, addPlan),
			},
			verb("run", "fire a plan once, now, beside its planned times", (*schedule.Plans).RunNow),
			verb("remove", "remove a plan", (*schedule.Plans).Remove),
			verb("pause", "let a plan rest", (*schedule.Plans).Pause),
			verb("resume", "end a pause", (*schedule.Plans).Resume),
		},
	}
}

func planFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "zone", Usage: "time `ZONE` of CRON, such as Europe/Berlin", DefaultText: "UTC"},
		&cli.BoolFlag{
			Name: "latest", Usage: "make good for the last firing that no node could do in time", HideDefault: true,
		},
		&cli.StringFlag{Name: "body", Usage: "`TEXT` of the message"},
		&cli.StringFlag{Name: "body-file", Usage: "`FILE` with the body of the message", TakesFile: true},
		&cli.StringSliceFlag{Name: "header", Usage: "`NAME=VALUE` of a header; may be given again"},
		&cli.StringFlag{Name: "type", Usage: "media `TYPE` of the body", DefaultText: "none"},
		&cli.StringFlag{Name: "kind", Usage: "`KIND` of the job, for a program with several: see NewKind"},
		&cli.IntFlag{Name: "priority", Usage: "from 0, the normal one, to 9", HideDefault: true},
	}
}

// withPlans calls f with the plans of the set that the first argument names.
func (s *session) withPlans(ctx context.Context, f func(ctx context.Context, p *schedule.Plans) error) (err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	name := s.String("store")
	if name == "" {
		name = s.String("fleet")
	}
	store, err := s.broker.Store(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	plans, err := schedule.OpenPlans(store, s.Args().First())
	if err != nil {
		return err
	}
	return f(ctx, plans)
}

// planLine is what schedule list writes as JSON.
type planLine struct {
	Plan    string    `json:"plan"`
	Cron    string    `json:"cron"`
	Zone    string    `json:"zone,omitempty"`
	Missed  string    `json:"missed"`
	Paused  bool      `json:"paused"`
	Next    time.Time `json:"next,omitzero"`
	Last    time.Time `json:"last,omitzero"`
	Changed time.Time `json:"changed,omitzero"`
	Error   string    `json:"error,omitempty"`
}

func listPlans(ctx context.Context, s *session) error {
	var all []schedule.StoredPlan
	err := s.withPlans(ctx, func(ctx context.Context, p *schedule.Plans) (err error) {
		all, err = p.List(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if len(all) == 0 {
		s.screen.Notef("set %q has no plans", s.Args().First())
	}
	table := s.screen.Table("PLAN", "CRON", "ZONE", "NEXT", "LAST", "STATE")
	for _, p := range all {
		if s.screen.IsJSON() {
			s.screen.Object(planOf(&p))
			continue
		}
		row := terminal.Plain(p.Name, p.Cron, p.Zone, moment(p.Next), moment(p.Last), "")
		switch {
		case p.Err != nil:
			row[5] = terminal.Cell{Text: p.Err.Error(), Colour: terminal.Bad}
		case p.Paused:
			row[5] = terminal.Cell{Text: "paused", Colour: terminal.Fair}
		}
		table.Row(row...)
	}
	table.Close()
	return nil
}

func planOf(p *schedule.StoredPlan) planLine {
	line := planLine{
		Plan: p.Name, Cron: p.Cron, Zone: p.Zone, Missed: p.Missed.String(), Paused: p.Paused, Next: p.Next,
		Last:    p.Last,
		Changed: p.Changed,
	}
	if p.Err != nil {
		line.Error = p.Err.Error()
	}
	return line
}

func addPlan(ctx context.Context, s *session) error {
	headers, err := headersOf(s.StringSlice("header"))
	if err != nil {
		return err
	}
	if kind := s.String("kind"); kind != "" {
		headers[queue.HeaderKind] = kind
	}
	body := []byte(s.String("body"))
	if file := s.String("body-file"); file != "" {
		if len(body) > 0 {
			return usagef("--body and --body-file are two bodies; want one of them")
		}
		if body, err = os.ReadFile(file); err != nil {
			return usagef("--body-file: %w", err)
		}
	}
	plan := schedule.Plan{
		Name: s.Args().Get(1), Cron: s.Args().Get(2), Zone: s.String("zone"),
		Message: queue.Message{
			Body: body, Headers: headers, ContentType: s.String("type"),
			Priority: s.Int("priority"),
		},
	}
	if s.Bool("latest") {
		plan.Missed = schedule.Latest
	}
	return s.withPlans(ctx, func(ctx context.Context, p *schedule.Plans) error {
		if err := p.Put(ctx, plan); err != nil {
			return fmt.Errorf("plan %q: %w", plan.Name, err)
		}
		return nil
	})
}
