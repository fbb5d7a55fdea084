// Command guest is a program of the tests, for GOOS=wasip1. Its standard input is what it has to do.
package main

import (
	"crypto/sha256"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

var jobs int // done in this instance

func main() {
	jobs++
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err.Error())
	}
	command, rest, _ := strings.Cut(string(input), " ")
	do(command, rest)
}

func do(command, rest string) {
	switch command {
	case "echo":
		os.Stdout.WriteString(rest)
	case "state":
		os.Stdout.WriteString(strconv.Itoa(jobs))
	case "env":
		os.Stdout.WriteString(strings.Join(os.Environ(), "\n"))
	case "args":
		os.Stdout.WriteString(strings.Join(os.Args, "\n"))
	case "exit":
		code, _ := strconv.Atoi(rest)
		os.Stderr.WriteString("exits\n")
		os.Exit(code)
	case "panic":
		panic("boom " + rest)
	case "loop":
		for {
			jobs++
		}
	case "recurse":
		os.Stdout.WriteString(strconv.Itoa(fibonacci(90)))
	case "overflow":
		os.Stdout.WriteString(strconv.Itoa(deep(1)))
	case "hog":
		var all [][]byte
		for {
			all = append(all, make([]byte, 1<<20))
		}
	case "shout":
		for {
			os.Stdout.Write(make([]byte, 1<<16))
		}
	case "whine":
		for range 100 {
			os.Stderr.WriteString(strings.Repeat("x", 1<<16))
		}
		os.Stderr.WriteString("the end")
		os.Exit(1)
	case "sleep":
		time.Sleep(time.Hour)
		os.Stdout.WriteString("slept")
	case "time":
		os.Stdout.WriteString(time.Now().UTC().Format(time.RFC3339))
	case "reach":
		reach()
	case "work":
		n, _ := strconv.Atoi(rest)
		os.Stdout.WriteString(work(n))
	default:
		os.Exit(64)
	}
}

// reach tries to get out.
func reach() {
	for _, path := range []string{"/", ".", "/etc/passwd", "../main.go", "/proc/self/environ", "/dev/random"} {
		if _, err := os.ReadFile(path); err == nil {
			fail(path)
		}
		if _, err := os.ReadDir(path); err == nil {
			fail(path)
		}
	}
	if err := os.WriteFile("/tmp/gentask-was-here", nil, 0o600); err == nil {
		fail("wrote a file")
	}
	os.Stdout.WriteString("nothing")
}

// work is an example of what programs do, n times as much as is little.
func work(n int) string {
	sum := sha256.Sum256(nil)
	for range 200 * n {
		sum = sha256.Sum256(sum[:])
	}
	list, x := make([]int, 1000*n), uint32(1)
	for i := range list {
		x = x*1664525 + 1013904223
		list[i] = int(x)
	}
	sort.Ints(list)
	words := map[string]int{}
	for i := range 1000 * n {
		words[strconv.Itoa(i%100)] += i
	}
	return strconv.Itoa(int(sum[0])) + " " + strconv.Itoa(list[len(list)/2]) + " " + strconv.Itoa(words["7"])
}

func fibonacci(n int) int {
	if n < 2 {
		return n
	}
	return fibonacci(n-1) + fibonacci(n-2)
}

func deep(n int) int { return deep(n+1) + n }

func fail(reason string) {
	print(reason)
	os.Exit(1)
}
