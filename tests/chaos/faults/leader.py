"""Three brokers, three copies, two of them in sync: the leader of a partition is restarted, in order or by SIGKILL."""

from aiokafka.admin import AIOKafkaAdminClient
from chaos.fault_context import FaultContext
from chaos.world import PARTITIONS, World
from embedded.cluster import EmbeddedCluster

_CAUGHT_UP_SECONDS = 30.0
_PER_SECOND = 40


async def run(context: FaultContext, trials: int, *, hard: bool) -> None:
    """On a cluster of its own."""
    async with EmbeddedCluster() as cluster:
        options = {"NPS_KAFKA__REPLICATION_FACTOR": "3"}
        async with context.world(kafka=cluster.bootstrap_servers, **options) as world:
            worker = await world.begin()
            for number in range(trials):
                async with context.trial(number) as trial:
                    async with world.fed(_PER_SECOND):
                        broker = cluster.brokers[await _leader(world, number % PARTITIONS)]
                        if hard:
                            await broker.kill()
                            await broker.start()
                        else:
                            await broker.restart()
                    with trial.healing(_CAUGHT_UP_SECONDS):
                        await world.caught_up()
                    trial.take(await world.check())
                    trial.expect("the worker has ended", worker.process.ended, expected=False)
                if trial.wrong:
                    return


async def _leader(world: World, partition: int) -> int:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.kafka)
    await admin.start()
    try:
        [topic] = await admin.describe_topics([f"{world.name}.responses"])
    finally:
        await admin.close()
    return next(int(found["leader"]) for found in topic["partitions"] if found["partition"] == partition)
