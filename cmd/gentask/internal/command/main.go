package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
)

// Program is the world of a command line. All fields are required.
type Program struct {
	// Args are the arguments, the program's name first.
	Args []string

	In       io.Reader
	Out, Err io.Writer

	// Hurry is closed when a second signal asks for the end at once.
	Hurry <-chan struct{}

	// Open opens a broker: [broker.Open].
	Open func(ctx context.Context, cfg broker.Config) (broker.Broker, error)
}

// Main runs a command line until it is done, or ctx ends, and returns the exit code. An error is
// written to Err, without passwords and without characters that a terminal would act on.
func Main(ctx context.Context, p Program) int {
	a := &app{Program: p}
	err := a.tree().Run(ctx, p.Args)
	if err != nil && ctx.Err() != nil && codeOf(err) != ExitUsage {
		err = interrupted(ctx, err)
	}
	if err != nil && !errors.Is(err, errQuiet) {
		text := terminal.Lines(broker.Redact(err.Error(), a.address), "  ")
		_, _ = fmt.Fprintf(p.Err, "gentask: %s\n", text) // there is nowhere else to complain
	}
	return codeOf(err)
}

// interrupted returns the error of a command whose context a signal has ended.
func interrupted(ctx context.Context, err error) error {
	if errors.Is(err, errQuiet) || errors.Is(err, errInterrupted) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return errInterrupted
	}
	return fmt.Errorf("%w: %w", context.Cause(ctx), err)
}

// Interrupted is the cause with which to end the context of [Main] at a signal.
func Interrupted() error { return errInterrupted }

// errQuiet is wrapped by an error whose text was shown.
var errQuiet = errors.New("shown already")

// app is one run of the program.
type app struct {
	Program
	address string // of the broker; for hiding its password
}

// version returns that of the build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// Tree returns the commands, for the reference. They must not be run.
func Tree() *cli.Command { return (&app{}).tree() }

func (a *app) tree() *cli.Command {
	root := &cli.Command{
		Name: "gentask", Usage: "see and steer jobs over any broker", Version: version(),
		Description: rootText, Flags: globalFlags(), HideHelpCommand: true,
		Writer: a.Out, ErrWriter: a.Err, Reader: a.In,
		EnableShellCompletion: true, ConfigureShellCompletionCommand: func(c *cli.Command) { c.Hidden = false },
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // Main shows errors
		Commands: []*cli.Command{
			a.queues(), a.nodes(), a.jobs(), a.letters(), a.publish(), a.peek(),
			a.pause(), a.resume(), a.limit(), a.breaker(), a.cancel(), a.drain(), a.commands(),
			a.run(), a.bench(), a.schedule(), a.doctor(), a.tail(), a.top(), a.ui(), a.man(),
		},
	}
	_ = root.Walk(func(c *cli.Command) error {
		c.Description = wrapped(c.Description)
		c.OnUsageError = func(_ context.Context, c *cli.Command, err error, _ bool) error {
			return usagef("%w; see %s --help", readable(c, err), c.FullName())
		}
		if len(c.Commands) > 0 {
			c.Action = group
		}
		if namesQueues(c) {
			c.ShellComplete = a.complete
		}
		return nil
	})
	return root
}

// helpWidth is that of descriptions in the help, which the framework indents by 3.
const helpWidth = 77

// wrapped returns a description with each paragraph broken at helpWidth.
func wrapped(description string) string {
	paragraphs := strings.Split(description, "\n\n")
	for i, text := range paragraphs {
		paragraphs[i] = terminal.Wrap(text, helpWidth)
	}
	return strings.Join(paragraphs, "\n\n")
}

// group is the action of a command that has others, when none of them was named.
func group(_ context.Context, c *cli.Command) error {
	if c.Args().Len() == 0 {
		return cli.ShowSubcommandHelp(c)
	}
	names := make([]string, 0, len(c.Commands))
	for _, one := range c.VisibleCommands() {
		names = append(names, one.Name)
	}
	typed := c.Args().First()
	return usagef("there is no command %q%s: %s has %s", typed, didYouMean(strconv.Quote(typed), quoted(names)),
		c.FullName(), strings.Join(names, ", "))
}

// readable returns the framework's error in words that say where it is.
func readable(c *cli.Command, err error) error {
	text := err.Error()
	if flag, found := strings.CutPrefix(text, "flag provided but not defined: -"); found {
		flag = "--" + strings.TrimLeft(flag, "-")
		return fmt.Errorf("there is no flag %s%s", flag, didYouMean(flag, flagNames(c)))
	}
	return err
}

// globalFlags are the flags of all commands.
func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{
			Name: "url", Sources: cli.EnvVars("GENTASK_URL"), HideDefault: true,
			Usage: "`URL` of the broker: amqp://, nats://, postgres:// or file:DIRECTORY",
		},
		&cli.BoolFlag{Name: "json", Usage: "write each result as an object of JSON, one a line", HideDefault: true},
		&cli.StringFlag{Name: "fleet", Value: "gentask", Usage: "`NAME` of the fleet: see Name of fleet.Config"},
		&cli.DurationFlag{
			Name: "patience", Value: defaultPatience,
			Usage: "how long to wait for an answer of the broker",
		},
		&cli.StringFlag{Name: "schema", Usage: "`SCHEMA` of the tables on PostgreSQL", DefaultText: "gentask"},
	}
}

const rootText = `gentask shows the queues, nodes and jobs of a broker, and steers them.

The broker is named by --url or GENTASK_URL. Results go to the standard output, everything else to
the standard error. In a terminal a result is a table. In a pipe a table has a row on each line, its
columns separated by tabs, without a head.

Exit codes: 0 done; 1 something is wrong, or not all was done; 2 a command, a flag or an argument is
wrong; 3 the broker is away, refuses the login, or is in use; 4 there is no such queue, letter, plan
or node; 130 ended by a signal.`
