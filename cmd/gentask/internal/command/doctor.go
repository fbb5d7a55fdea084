package command

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/doctor"
	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/fleet"
)

func (a *app) doctor() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "find out what is wrong or risky at the broker, and what to do", ArgsUsage: "[QUEUE...]",
		Description: `doctor asks the broker, its queues and the nodes of the fleet. It changes
nothing, but see --no-fleet. Without names it looks at the queues that it can find, as the command
queues does. A fact that only the tools of the broker have is shown as unknown, with the way to find
out.

The exit code is 1 if something is wrong. A risk alone is none.`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "show also what is right", HideDefault: true},
			&cli.BoolFlag{
				Name: "no-fleet", HideDefault: true,
				Usage: "do not ask the fleet: to join it makes its store, if there is none",
			},
		},
		Action: a.do(spec{most: -1}, examine),
	}
}

func examine(ctx context.Context, s *session) error {
	target := doctor.Target{
		URL: s.String("url"), Schema: s.String("schema"), Broker: s.broker, Queues: s.Args().Slice(),
		Patience: s.Duration("patience"),
	}
	findings, err := s.examineAll(ctx, target)
	if err != nil {
		return err
	}
	table := s.screen.Table("", "WHAT", "IS", "DO")
	wrong := 0
	for _, f := range findings {
		if f.Level == doctor.Wrong {
			wrong++
		}
		if f.Level == doctor.Fine && !s.Bool("all") {
			continue
		}
		if s.screen.IsJSON() {
			s.screen.Object(f)
			continue
		}
		s.showFinding(table, f)
	}
	table.Close()
	if wrong > 0 {
		return foundf("findings that are wrong: %d", wrong)
	}
	return nil
}

// examineAll looks at everything that a broker has.
func (s *session) examineAll(ctx context.Context, target doctor.Target) ([]doctor.Finding, error) {
	var err error
	if len(target.Queues) == 0 && (s.broker.System() != "RabbitMQ" || !s.Bool("no-fleet")) {
		if target.Queues, err = s.names(ctx); err != nil && !s.Bool("no-fleet") {
			s.screen.Notef("queues: %s", terminal.Text(err.Error()))
		}
	}
	findings := doctor.Examine(ctx, target)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if s.Bool("no-fleet") {
		return findings, nil
	}
	err = s.withNode(ctx, func(ctx context.Context, n *fleet.Node) error {
		ctx, cancel := s.bounded(ctx)
		defer cancel()
		findings = append(findings, doctor.ExamineFleet(ctx, n)...)
		return nil
	})
	if err != nil && !errors.Is(err, errInterrupted) {
		findings = append(findings, doctor.Finding{
			Level: doctor.Risk, What: "fleet", Is: "can't be joined: " + err.Error(),
			Do: "see the rights that stores and buses need, in docs/drivers.md",
		})
	}
	return findings, nil
}

// showFinding shows a finding as a row on a terminal and in a pipe.
func (s *session) showFinding(table *terminal.Table, f doctor.Finding) {
	colour := map[doctor.Level]terminal.Colour{
		doctor.Wrong: terminal.Bad, doctor.Risk: terminal.Fair, doctor.Unknown: terminal.Faint,
		doctor.Fine: terminal.Good,
	}[f.Level]
	if !s.screen.IsTerminal() {
		table.Row(terminal.Plain(string(f.Level), f.What, f.Is, f.Do)...)
		return
	}
	s.screen.Printf("%s %s: %s\n", s.screen.Paint(colour, string(f.Level)), terminal.Text(f.What), terminal.Text(f.Is))
	if f.Do != "" {
		s.screen.Printf("  %s\n", s.screen.Paint(terminal.Faint, terminal.Text(f.Do)))
	}
}
