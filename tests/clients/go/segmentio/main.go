// Publishes the runs of a plan by segmentio's kafka-go. Its default balancer gives a key's records to any partition.
package main

import (
	"context"
	"time"

	"clients/plan"

	"github.com/segmentio/kafka-go"
)

var codecs = map[string]kafka.Compression{
	"none":   0,
	"gzip":   kafka.Gzip,
	"snappy": kafka.Snappy,
	"lz4":    kafka.Lz4,
	"zstd":   kafka.Zstd,
}

func publish(p plan.Plan, run plan.Run) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	writer := &kafka.Writer{
		Addr:         kafka.TCP(p.Bootstrap),
		Topic:        p.Topic,
		Compression:  codecs[p.Codec],
		RequiredAcks: kafka.RequireAll,
		MaxAttempts:  1, // it is not idempotent: a second attempt could publish a record twice
		BatchTimeout: time.Duration(max(run.LingerMs, 1)) * time.Millisecond,
		BatchBytes:   int64(max(run.BatchBytes, 100_000)), // it splits no record, and some are that large
	}
	if run.Partitioner == "murmur2" {
		writer.Balancer = kafka.Murmur2Balancer{}
	}
	defer writer.Close()
	var messages []kafka.Message
	for _, each := range run.Records {
		message := kafka.Message{Key: each.Key, Value: each.Value}
		for _, header := range each.Headers {
			message.Headers = append(message.Headers, kafka.Header{Key: string(header[0]), Value: header[1]})
		}
		if each.Timestamp != nil {
			message.Time = time.UnixMilli(*each.Timestamp)
		}
		messages = append(messages, message)
	}
	return writer.WriteMessages(ctx, messages...)
}

func main() {
	plan.Publish("github.com/segmentio/kafka-go", publish)
}
