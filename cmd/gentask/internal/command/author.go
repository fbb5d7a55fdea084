package command

import (
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask"
)

// defaultWait is how long a command waits for the nodes.
const defaultWait = 5 * time.Second

// steering returns the flags of a command to the fleet, after its own.
func steering(own ...cli.Flag) []cli.Flag {
	return append(own,
		&cli.StringFlag{Name: "as", Usage: "`NAME` of the one who gives the command", DefaultText: "USER@HOST"},
		&cli.StringFlag{Name: "reason", Usage: "`TEXT` for others that explains why"},
		&cli.DurationFlag{Name: "wait", Value: defaultWait, Usage: "how long to wait for the nodes, 0 for not at all"},
	)
}

// author returns who gives the command, and why.
func (s *session) author() gentask.Author {
	by := s.String("as")
	if by == "" {
		by = user()
	}
	return gentask.Author{By: by, Reason: s.String("reason")}
}

// user returns who runs the program, and where.
func user() string {
	name, host := os.Getenv("USER"), "localhost"
	if name == "" {
		name = "unknown"
	}
	if own, err := os.Hostname(); err == nil {
		host = own
	}
	return name + "@" + host
}
