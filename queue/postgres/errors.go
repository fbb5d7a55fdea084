package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gentask/gentask/queue"
)

// ErrVersion is wrapped by the error about a schema that this program can't work with, because it
// is too old or too new, or is not there. The text names both versions.
var ErrVersion = errors.New("postgres: the schema's version does not fit")

// SQLSTATE codes with a meaning of their own.
const (
	codeReadOnly      = "25006" // read_only_sql_transaction: a standby
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeNoRight       = "42501"
	codeNoTable       = "42P01"
	codeNoSchema      = "3F000"
	codeTooManyConns  = "53300"
	codeLockTimeout   = "55P03" // lock_not_available
	codeProgramLimit  = "54000"
	codeShutdown      = "57P01"
	codeCrash         = "57P02"
	codeCannotConnect = "57P03"
	classConnection   = "08"
	classResources    = "53" // disk full, out of memory, too many connections
)

// code returns the SQLSTATE of the server's answer, and "" for an error that is no answer.
func code(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

// answered reports whether err is the server's answer to a statement, after which the connection is
// still usable. Nothing of the transaction was applied.
func answered(err error) bool {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) {
		return false
	}
	return answer.SeverityUnlocalized == "ERROR" && !strings.HasPrefix(answer.Code, classConnection)
}

// hopeless reports whether a session's statement will fail again and again: the server reads only,
// or a right or a table is missing.
func hopeless(err error) bool {
	return slices.Contains([]string{codeReadOnly, codeNoRight, codeNoTable, codeNoSchema}, code(err))
}

// repeatable reports whether the same transaction may succeed at once.
func repeatable(err error) bool {
	return slices.Contains([]string{codeSerialization, codeDeadlock}, code(err))
}

// explain adds what a caller can do about err, and the error of package queue that it is.
func explain(err error) error {
	if err == nil {
		return nil
	}
	at := code(err)
	switch {
	case at == codeReadOnly:
		return fmt.Errorf("%w: the server is read-only, as a standby is: %w", queue.ErrUnavailable, err)
	case at == codeTooManyConns, at == codeShutdown, at == codeCrash, at == codeCannotConnect,
		strings.HasPrefix(at, classConnection), strings.HasPrefix(at, classResources):
		return fmt.Errorf("%w: %w", queue.ErrUnavailable, err)
	case at == codeProgramLimit:
		return fmt.Errorf("%w: %w", queue.ErrTooLarge, err)
	case at == codeNoTable, at == codeNoSchema:
		return fmt.Errorf("%w: there is no table, this program needs version %d: run Migrate: %w",
			ErrVersion, version, err)
	case at == codeNoRight:
		return fmt.Errorf("a right is missing, see docs/drivers.md for what each role needs: %w", err)
	}
	return err
}
