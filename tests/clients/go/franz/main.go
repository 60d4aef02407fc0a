// Publishes the runs of a plan by franz-go. Its default partitioner is Kafka's, but for records without a key.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"clients/plan"

	"github.com/twmb/franz-go/pkg/kgo"
)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func publish(p plan.Plan, run plan.Run) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	options := []kgo.Opt{
		kgo.SeedBrokers(p.Bootstrap),
		kgo.DefaultProduceTopic(p.Topic),
		kgo.ProducerBatchCompression(codecs[p.Codec]),
		kgo.ProducerLinger(time.Duration(run.LingerMs) * time.Millisecond),
		kgo.ProducerBatchMaxBytes(int32(max(run.BatchBytes, 100_000))), // it splits no record, and some are that large
	}
	if run.Partitioner == "murmur2" {
		options = append(options, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	}
	if run.Transaction != "" {
		options = append(options, kgo.TransactionalID(rand.Text()))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	if run.Transaction != "" {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
	}
	var records []*kgo.Record
	for _, each := range run.Records {
		record := &kgo.Record{Key: each.Key, Value: each.Value}
		for _, header := range each.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: string(header[0]), Value: header[1]})
		}
		if each.Timestamp != nil {
			record.Timestamp = time.UnixMilli(*each.Timestamp)
		}
		records = append(records, record)
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	if run.Transaction != "" {
		return client.EndTransaction(ctx, kgo.TransactionEndTry(run.Transaction == "commit"))
	}
	return nil
}

func main() {
	plan.Publish("github.com/twmb/franz-go", publish)
}
