// Command site makes a static site of a repository: the pages that docs/nav.txt names, the
// decisions, the documentation of the public packages, and each source file that one of them links
// to. The site needs no server, and its pages refer to nothing outside of it but by links of the
// documents. A link within the repository that leads nowhere is an error.
//
// Usage:
//
//	site [-dir directory of the repository] [-out directory] [-version name] [-serve address]
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	dir := flag.String("dir", ".", "the directory of the repository")
	out := flag.String("out", ".cache/site", "the directory of the site, which has a directory for each version")
	version := flag.String("version", latest, "the version that the repository has")
	address := flag.String("serve", "", "serve the site at this address, such as 127.0.0.1:8000, until the end")
	flag.Parse()
	err := generate(*dir, *out, *version)
	if err == nil && *address != "" {
		fmt.Printf("http://%s/\n", *address)
		server := http.Server{Addr: *address, Handler: http.FileServer(http.Dir(*out)), ReadHeaderTimeout: time.Minute}
		err = server.ListenAndServe()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "site:", err)
		os.Exit(1)
	}
}
