package supervision

// Requests, as the functions of this package and the consumer send them.
type (
	StartRequest     = startRequest
	TerminateRequest = terminateRequest
	RestartRequest   = restartRequest
	DeleteRequest    = deleteRequest
	ChildRequest     = childRequest
	ChildrenRequest  = childrenRequest
	CountRequest     = countRequest
)

// Limits.
const (
	KillTime        = killTime
	PropsTime       = propsTime
	TreeTime        = treeTime
	DefaultShutdown = defaultShutdown
)
