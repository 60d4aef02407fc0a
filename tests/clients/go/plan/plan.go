// Package plan reads what is to be published. Byte strings are in base64; encoding/json decodes them, null as nil.
package plan

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime/debug"
)

type Record struct {
	Key       []byte      `json:"key"`
	Value     []byte      `json:"value"`
	Headers   [][2][]byte `json:"headers"`
	Timestamp *int64      `json:"timestamp"`
}

type Run struct {
	Partitioner string   `json:"partitioner"`
	LingerMs    int      `json:"linger_ms"`
	BatchBytes  int      `json:"batch_bytes"`
	Transaction string   `json:"transaction"`
	Records     []Record `json:"records"`
}

type Plan struct {
	Bootstrap string `json:"bootstrap"`
	Topic     string `json:"topic"`
	Codec     string `json:"codec"`
	Runs      []Run  `json:"runs"`
}

// Publish reads the plan that the command line names, has each run published, and prints what was done.
func Publish(module string, publish func(Plan, Run) error) {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var plan Plan
	if err := json.Unmarshal(text, &plan); err != nil {
		log.Fatal(err)
	}
	published := 0
	for _, run := range plan.Runs {
		if err := publish(plan, run); err != nil {
			log.Fatal(err)
		}
		published += len(run.Records)
	}
	fmt.Printf(`{"version": %q, "published": %d}`+"\n", versionOf(module), published)
}

func versionOf(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version
		}
	}
	return "unknown"
}
