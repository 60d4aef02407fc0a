from chaos.feed import recounted
from clients.records import RUNS, records_of, runs_for


def test_the_records_are_the_same_for_the_same_seed() -> None:
    runs = RUNS[:2]
    first, second = ([records_of(run, 50, "1", broken_names=True) for run in runs] for _ in range(2))
    assert first == second


def test_no_customer_is_in_two_runs() -> None:
    seen: set[str] = set()
    for run in RUNS:
        records = [record.expected for record in records_of(run, 200, "1")]
        customers = {event["customer_id"] for event in recounted(records).current.values()}
        assert not seen & customers
        seen |= customers


def test_a_customer_whose_records_have_no_order_has_one_record() -> None:
    for run in runs_for(transactions=True, default_keeps_order=False):
        records = [record.expected for record in records_of(run, 200, "1")]
        customers = [record.event["customer_id"] for record in records if record.event is not None]
        assert (len(set(customers)) == len(customers)) is (not run.ordered)


def test_a_client_without_transactions_has_the_other_runs() -> None:
    runs = runs_for(transactions=False, default_keeps_order=True)
    assert [run.name for run in runs] == ["small", "default", "large"]


def test_the_last_run_is_without_a_transaction() -> None:
    assert RUNS[-1].transaction is None


def test_names_that_are_no_utf8_are_for_clients_that_can_write_them() -> None:
    for broken_names in (True, False):
        names = [
            name for record in records_of(RUNS[0], 300, "1", broken_names=broken_names) for name, _ in record.headers
        ]
        assert any(_is_broken(name) for name in names) is broken_names


def test_null_values_of_headers_are_for_clients_that_can_write_them() -> None:
    for null_headers in (True, False):
        headers = [h for sent in records_of(RUNS[0], 300, "1", null_headers=null_headers) for h in sent.headers]
        assert any(value is None for _, value in headers) is null_headers


def test_erasures_are_recounted() -> None:
    recount = recounted([record.expected for record in records_of(RUNS[0], 300, "1")])
    assert recount.erased
    assert recount.erased <= {event["customer_id"] for event in recount.current.values()}


def _is_broken(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return True
    return False
