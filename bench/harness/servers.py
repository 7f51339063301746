"""The store on database servers: activations against the same statements run one activation a transaction, replicas, the
price of the change feed, how soon a revocation is seen elsewhere, validations beside those on SQLite, and size."""

import contextlib
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from harness.bench import BOTH_CPUS, Bench, Load
from harness.figures import ratio_of_medians
from harness.processes import ROOT

sys.path.insert(0, str(ROOT / 'tests/support'))
from database_server import MariaDb, PostgreSql  # noqa: E402

LICENSES = 100_000
CONNECTIONS = 64
MANY_CONNECTIONS = 256
FIRST_ROUND = 4_000
REPLICAS = 3

# What an activation asks of the database, each in a transaction of its own. It is spared what lictord does beyond that:
# looking a license up by the digest of its key, and the chain of audit events, whose head all would wait for.
PGBENCH = r'''
\set license random(1, :licenses)
\set client random(1, 4000000000000000000)
BEGIN;
SELECT row, policy, status, starts_at, expires_at, seats_held, next_lease_end FROM licenses WHERE row = :license
  FOR NO KEY UPDATE;
SELECT held, lease_expires_at, fingerprint FROM activations WHERE license = :license
  AND client_id = 'new-' || :client::bigint;
INSERT INTO activations (license, client_id, client, held, blocked, over_limit, activated_at, lease_expires_at,
  released_at, vacated, vacated_at_transfer, fingerprint, version, last_seen_at)
  VALUES (:license, 'new-' || :client::bigint, decode(lpad(to_hex(:client::bigint), 32, '0'), 'hex'), 1, 0, 0,
  1800000000, NULL, 0, 0, 0, '\x01', '2.3.1', 1800000000);
UPDATE licenses SET seats_held = seats_held + 1, last_check_in_at = 1800000000 WHERE row = :license;
INSERT INTO events (sequence, at, actor, action, subject, client, code, request_id, detail, hash)
  VALUES (nextval('peer_events'), 1800000000, 'key_00000000000000000000000000', 'seat.granted',
  'lic_' || :license::bigint, 'new-' || :client::bigint, '', 'req_00000000000000000000000000', '{"seats_held":1}',
  sha256(int8send(:client::bigint)));
COMMIT;
'''

SYSBENCH = r'''
sysbench.cmdline.options = {licenses = {"licenses", 100000}}
function thread_init()
  drv = sysbench.sql.driver()
  con = drv:connect()
  names = {}
  local function prepare(name, text, ...)
    local statement = con:prepare(text)
    local values = {}
    for i, kind in ipairs({...}) do
      values[i] = kind == "text" and statement:bind_create(sysbench.sql.type.VARCHAR, 64)
        or statement:bind_create(sysbench.sql.type.BIGINT)
    end
    if #values > 0 then statement:bind_param(unpack(values)) end
    names[name] = {statement = statement, values = values}
  end
  local long, text = "long", "text"
  prepare("begin", "BEGIN")
  prepare("lock", "SELECT `row`, policy, status, starts_at, expires_at, seats_held, next_lease_end FROM licenses " ..
    "WHERE `row` = ? FOR UPDATE", long)
  prepare("seat", "SELECT held, lease_expires_at, fingerprint FROM activations WHERE license = ? AND client_id = ?",
    long, text)
  prepare("grant", "INSERT INTO activations (license, client_id, client, held, blocked, over_limit, activated_at, " ..
    "lease_expires_at, released_at, vacated, vacated_at_transfer, fingerprint, version, last_seen_at) VALUES " ..
    "(?, ?, unhex(md5(?)), 1, 0, 0, 1800000000, NULL, 0, 0, 0, '1', '2.3.1', 1800000000)", long, text, text)
  prepare("count", "UPDATE licenses SET seats_held = seats_held + 1, last_check_in_at = 1800000000 WHERE `row` = ?", long)
  prepare("event", "INSERT INTO events (sequence, at, actor, action, subject, client, code, request_id, detail, hash) " ..
    "VALUES (nextval(peer_events), 1800000000, 'key_00000000000000000000000000', 'seat.granted', " ..
    "?, ?, '', 'req_00000000000000000000000000', '{\"seats_held\":1}', unhex(sha2(?, 256)))", text, text, text)
  prepare("commit", "COMMIT")
end
local function run(name, ...)
  local known = names[name]
  for i, value in ipairs({...}) do known.values[i]:set(value) end
  known.statement:execute()
end
function event()
  local license = sysbench.rand.uniform(1, sysbench.opt.licenses)
  local client = string.format("new-%x-%x", sysbench.rand.unique(), sysbench.rand.uniform(1, 2000000000))
  run("begin")
  run("lock", license)
  run("seat", license, client)
  run("grant", license, client, client)
  run("count", license)
  run("event", string.format("lic_%d", license), client, client)
  run("commit")
end
'''


class Activations:
    """Rounds of activations of new clients, spread over servers of one database. rate: of all together."""

    def __init__(self, bench: Bench, name: str, servers, license_range: int, connections: int = CONNECTIONS):
        self.bench, self.name, self.servers, self.license_range = bench, name, servers, license_range
        self.connections = connections
        self.rates: list[float] = []
        self.p99: list[float] = []
        self.count = FIRST_ROUND

    def visit_all(self) -> None:
        """Activates a client of every license: what is remembered of licenses is there afterwards."""
        for server in self.servers:
            file = self.bench.requests(server.data, f'visit-{self.name}', '--call', 'activate', '--in-order', '--range', self.license_range,
                                       '--client-base', self.bench.new_clients(self.license_range))
            self.bench.load_once(server, file, self.connections, cpus=BOTH_CPUS)

    def round(self, keep: bool = True) -> None:
        each = self.count // len(self.servers)
        files = [self.bench.requests(server.data, f'activate-{self.name}', '--call', 'activate', '--count', each, '--range',
                                     self.license_range, '--client-base', self.bench.new_clients(each))
                 for server in self.servers]
        loads: list[Load | None] = [None] * len(files)

        def load(number):
            loads[number] = self.bench.load_once(self.servers[number], files[number], self.connections // len(files), cpus=BOTH_CPUS)

        threads = [threading.Thread(target=load, args=(number,)) for number in range(len(files))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if None in loads:
            raise RuntimeError(f'{self.name}: a load failed')
        rate = sum(load.rate for load in loads)
        self.count = max(FIRST_ROUND, int(rate * self.bench.seconds))
        if keep:
            self.rates.append(rate)
            self.p99.append(max(load.p99 for load in loads))


class PgBench:
    def __init__(self, bench: Bench, url: str, license_range: int):
        self.bench, self.url, self.license_range = bench, url, license_range
        self.rates: list[float] = []
        self.script = bench.work / 'peer.sql'
        self.script.write_text(PGBENCH)

    def round(self, keep: bool = True) -> None:
        command = [f'{PostgreSql.programs}/pgbench', '--no-vacuum', '--protocol=prepared', f'--client={CONNECTIONS}', '--jobs=2',
                   f'--time={max(2, round(self.bench.seconds))}', f'--define=licenses={self.license_range}',
                   f'--file={self.script}', self.url]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        line = next((line for line in done.stdout.splitlines() if line.startswith('tps =')), '')
        if done.returncode != 0 or not line or 'number of failed transactions: 0 ' not in done.stdout:
            raise RuntimeError(f'pgbench: {done.stdout}{done.stderr}')
        if keep:
            self.rates.append(float(line.split()[2]))


class SysBench:
    def __init__(self, bench: Bench, database: MariaDb, name: str, by_socket: bool, license_range: int,
                 connections: int = CONNECTIONS):
        self.bench = bench
        self.rates: list[float] = []
        script = bench.work / 'peer.lua'
        script.write_text(SYSBENCH)
        where = [f'--mysql-socket={database.directory}/socket'] if by_socket else [
            '--mysql-host=127.0.0.1', f'--mysql-port={database.port}']
        self.command = ['sysbench', '--db-driver=mysql', '--mysql-user=lictor', f'--mysql-password={database.password}',
                        f'--mysql-db={name}', *where, f'--threads={connections}',
                        f'--time={max(2, round(bench.seconds))}', '--mysql-ignore-errors=1213,1205',
                        f'--licenses={license_range}', str(script), 'run']

    def round(self, keep: bool = True) -> None:
        done = subprocess.run(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        line = next((line for line in done.stdout.splitlines() if line.strip().startswith('transactions:')), '')
        if done.returncode != 0 or not line:
            raise RuntimeError(f'sysbench: {done.stdout}')
        if keep:
            self.rates.append(float(line.split('(')[1].split()[0]))


def take_turns(bench: Bench, turns) -> None:
    for turn in turns:
        turn.round(keep=False)
    for _ in range(bench.rounds):
        for turn in turns:
            turn.round()


def spelled(rates) -> str:
    return f'{statistics.median(rates):,.0f}'


def compare(bench: Bench, item: str, name: str, ours, peer, bound: float) -> None:
    take_turns(bench, [ours, peer])
    bench.add(item, name, ratio_of_medians(ours.rates, peer.rates), bound=bound, at_most=False,
              detail=f'{spelled(ours.rates)} against {spelled(peer.rates)} a second, p99 {statistics.median(ours.p99) / 1000:.1f} ms')


def filled(bench: Bench, database, name: str, licenses: int = LICENSES, clients: int = 0) -> pathlib.Path:
    """A database on the server, and the directory that says what is in it."""
    url = database.create_database(name)
    data = bench.work / f'{database.name}-{name}'
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    bench.say(f'fill {database.name} {name}: {licenses:,} licenses')
    bench.tool('bench_seed', 'fill', '--data', data, '--database', url, '--licenses', licenses, '--max-clients', '0',
               f'--clients={clients}')
    return data


def replica(bench: Bench, data: pathlib.Path, number: int, url: str, *options: str):
    """A lictord with a data directory of its own, on the database that `data` describes."""
    own = data.parent / f'{data.name}-{number}'
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    for name in ('bench.dataset', 'bench.key'):
        shutil.copyfile(data / name, own / name)
    return bench.lictord(own, BOTH_CPUS, 1, '--database-url', url, *options)


WAYS = (('TCP', False), ('unix socket', True))


def competitors(bench: Bench, database, how: str) -> tuple[pathlib.Path, str, str]:
    """What says what is in them, and the names of two databases with the same in each, for one way of connecting: whoever is
    faster has the larger one at the end, and would begin with it."""
    suffix = how.split()[0].lower()
    ours, peer = f'ours_{suffix}', f'peer_{suffix}'
    data = filled(bench, database, ours)
    filled(bench, database, peer)
    database.sql('CREATE SEQUENCE peer_events CACHE 100', peer)
    return data, ours, peer


def activations_on_postgresql(bench: Bench, database: PostgreSql) -> None:
    for how, by_socket in WAYS:
        data, ours, peer = competitors(bench, database, how)
        url, peer_url = database.url(ours, by_socket), database.url(peer, by_socket)
        with replica(bench, data, 0, url) as server:
            spread = Activations(bench, 'spread', [server], LICENSES)
            spread.visit_all()
            compare(bench, '4', f'PostgreSQL, {how}: activate, spread / pgbench', spread, PgBench(bench, peer_url, LICENSES), 3)
            compare(bench, '4', f'PostgreSQL, {how}: activate, one hot license / pgbench', Activations(bench, 'hot', [server], 1),
                    PgBench(bench, peer_url, 1), 10)
    replicas_on_one_license(bench, database, data, ours, peer)
    price_of_the_feed(bench, database, data, ours)
    revocations(bench, database, data, ours)


def replicas_on_one_license(bench: Bench, database: PostgreSql, data: pathlib.Path, name: str, peer_name: str) -> None:
    url = database.url(name)
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(replica(bench, data, number, url)) for number in range(REPLICAS)]
        one, three = Activations(bench, 'one', servers[:1], 1), Activations(bench, 'three', servers, 1)
        peer = PgBench(bench, database.url(peer_name), 1)
        take_turns(bench, [one, three, peer])
    bench.add('4', f'PostgreSQL: activate, one hot license on {REPLICAS} replicas / pgbench',
              ratio_of_medians(three.rates, peer.rates), bound=4, at_most=False,
              detail=f'{spelled(three.rates)} against {spelled(peer.rates)} a second')
    bench.add('4', f'p99 of {REPLICAS} replicas / of one', ratio_of_medians(three.p99, one.p99), bound=3,
              detail=f'{statistics.median(three.p99) / 1000:.1f} against {statistics.median(one.p99) / 1000:.1f} ms')


def price_of_the_feed(bench: Bench, database: PostgreSql, data: pathlib.Path, name: str) -> None:
    """Two replicas; all is activated on the first, and the second, which reads every change, is idle otherwise."""
    url = database.url(name)
    with contextlib.ExitStack() as stack:
        without = stack.enter_context(replica(bench, data, 0, url, '--feed-interval', '60s', '--feed-trust', '60s'))
        first = stack.enter_context(replica(bench, data, 1, url))
        turns = [Activations(bench, 'with', [first], LICENSES), Activations(bench, 'without', [without], LICENSES)]
        take_turns(bench, turns)
    bench.add('4', 'change feed: activate with / without', ratio_of_medians(turns[0].rates, turns[1].rates), bound=0.9,
              at_most=False, detail=f'{spelled(turns[0].rates)} against {spelled(turns[1].rates)} a second')


def ask(server, key: str, method: str, path: str, body: dict | None = None) -> tuple[int, dict]:
    request = urllib.request.Request(f'http://{server.address}{path}', method=method,
                                     data=None if body is None else json.dumps(body).encode(),
                                     headers={'X-API-Key': key, 'Content-Type': 'application/json'})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def revocations(bench: Bench, database: PostgreSql, data: pathlib.Path, name: str) -> None:
    """From the acknowledgement on one replica to the first refusal on the other, both under a load of activations."""
    url = database.url(name)
    count = 40 * bench.rounds
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(replica(bench, data, number, url)) for number in range(2)]
        own = bench.work / 'administrator'
        shutil.rmtree(own, ignore_errors=True)
        bench.tool('lictord', 'admin-key', '--data', own, '--database-url', url)
        key = (own / 'admin.key').read_text().strip()
        ask(servers[0], key, 'POST', '/api/v1/admin/products', {'name': 'watched'})
        ask(servers[0], key, 'POST', '/api/v1/admin/policies', {'product': 'watched', 'name': 'p', 'terms': {'type': 'perpetual'}})
        _, made = ask(servers[0], key, 'POST', '/api/v1/admin/licenses', {'product': 'watched', 'policy': 'p', 'count': count})
        licenses = made['data']['licenses']
        end = threading.Event()
        load = Activations(bench, 'load', servers, LICENSES)
        load.round(keep=False)

        def go_on():
            while not end.is_set():
                load.round()

        thread = threading.Thread(target=go_on)
        thread.start()
        seen = []
        try:
            for license_ in licenses:
                body = {'license_key': license_['license_key']}
                for _ in range(2):
                    assert ask(servers[1], key, 'POST', '/api/v1/licenses/validate', body)[0] == 200
                status, said = ask(servers[0], key, 'POST', f'/api/v1/admin/licenses/{license_["license_id"]}/revoke', {'reason': 'x'})
                assert status == 200, said
                acknowledged = time.monotonic()
                while ask(servers[1], key, 'POST', '/api/v1/licenses/validate', body)[0] == 200:
                    time.sleep(0.001)  # to look is not to take a core
                seen.append(1000 * (time.monotonic() - acknowledged))
        finally:
            end.set()
            thread.join()
    seen.sort()
    detail = f'{len(seen)} revocations under {spelled(load.rates)} activations a second'
    bench.add('4', 'a revocation is seen on another replica after, median', statistics.median(seen), 'ms', bound=50, detail=detail)
    bench.add('4', 'a revocation is seen on another replica after, p99', seen[int(0.99 * len(seen))], 'ms', bound=250, detail=detail)


def validations(bench: Bench, database: PostgreSql) -> None:
    on_server = filled(bench, database, 'validate')
    on_file = bench.dataset('validate-file', LICENSES, '--max-clients', '0', fresh=True)
    with replica(bench, on_server, 0, database.url('validate')) as served, bench.lictord(on_file, BOTH_CPUS, 1) as embedded:
        rates = []
        for server in (served, embedded):
            bench.warm(server, LICENSES)
        files = [bench.requests(server.data, 'validate', '--count', 200_000) for server in (served, embedded)]
        for _ in range(bench.rounds):
            rates.append([bench.load(server, file).rate for server, file in zip((served, embedded), files)])
    ours, theirs = zip(*rates)
    bench.add('4', 'validate: on PostgreSQL / on SQLite', ratio_of_medians(ours, theirs), bound=0.95, at_most=False,
              detail=f'{spelled(ours)} against {spelled(theirs)} a second')


SETTINGS = ('max_wal_size = 8GB', 'shared_buffers = 2GB')
FILLING = ('fsync = off', 'full_page_writes = off', 'max_wal_size = 64GB', 'checkpoint_timeout = 1h', 'autovacuum = off',
           'maintenance_work_mem = 1GB')
MEASURING = ('fsync = on', 'full_page_writes = on', 'max_wal_size = 8GB', 'checkpoint_timeout = 30min', 'autovacuum = on',
             'wal_compression = lz4')
SPARED_INDEXES = """SELECT indexname || '|' || indexdef FROM pg_indexes WHERE tablename IN ('licenses', 'activations')
  AND indexname NOT IN ('licenses_pkey', 'activations_pkey', 'licenses_by_id', 'licenses_by_key')"""  # which filling itself needs


def fill_fast(bench: Bench, database: PostgreSql, data: pathlib.Path, licenses: int) -> None:
    """Without what every row would cost, which is made up for afterwards."""
    name = data.name
    url = database.create_database(name)
    bench.tool('lictord', 'admin-key', '--data', data, '--database-url', url)
    indexes = [line.split('|', 1) for line in database.sql(SPARED_INDEXES, name).splitlines()]
    database.sql(''.join(f'DROP INDEX {index};' for index, _ in indexes) + 'ALTER TABLE activations DISABLE TRIGGER ALL', name)
    bench.say(f'fill {database.name} {name}: {licenses:,} licenses')
    bench.tool('bench_seed', 'fill', '--data', data, '--database', url, '--licenses', licenses, '--max-clients', '0', '--clients=3')
    bench.say('make the indexes')
    for _, definition in indexes:
        database.sql(definition, name)
    database.sql('ALTER TABLE activations ENABLE TRIGGER ALL', name)
    database.sql('VACUUM (ANALYZE)', name)


def large_cluster(bench: Bench, directory: pathlib.Path, licenses: int) -> PostgreSql:
    """A server with a database `small` and one `large` of so many licenses; kept for later runs."""
    if not (directory / 'complete').exists():
        shutil.rmtree(directory, ignore_errors=True)
        (directory / 'server').mkdir(parents=True)
        filling = PostgreSql(fsync=True, parent=directory, settings=(*SETTINGS, *FILLING)).start()
        try:
            for name, count in (('large', licenses), ('small', LICENSES)):
                fill_fast(bench, filling, directory / name, count)
        finally:
            filling.stop()
        filling.configure(*MEASURING, f'shared_buffers = {licenses // 1_000_000 + 1}GB', f"unix_socket_directories = '{directory}/server'")
        filling.directory.rename(directory / 'server')
        (directory / 'complete').touch()
    return PostgreSql(directory / 'server').start()


# What activations touch is in the server's memory, as on a machine that is large enough for its database: otherwise the
# figure is that of a disk's random reads. Of the activations themselves only the end of the table is touched.
WARM = """CREATE EXTENSION IF NOT EXISTS pg_prewarm;
SELECT pg_prewarm(name) FROM unnest(ARRAY['licenses', 'licenses_pkey', 'licenses_by_key', 'activations_pkey',
  'activations_by_client']) AS name"""
# PostgreSQL writes a page whole into its log when it is changed for the first time after a checkpoint. At a few thousand
# activations a second nearly all pages of 10 M licenses have been, a few minutes after one; this brings that about.
WRITTEN = """UPDATE licenses SET last_check_in_at = last_check_in_at WHERE row % 8 = 0;
INSERT INTO activations SELECT row, 'written-' || pg_current_xact_id()::text, decode(md5(random()::text), 'hex'), 1, 0, 0,
  1800000000, NULL, 0, 0, 0, '\\x01', '2.3.1', 1800000000 FROM licenses WHERE row % 20 = 0"""
WARM_UP = 40_000  # activations


def size(bench: Bench, database: PostgreSql, directory: pathlib.Path, licenses: int) -> None:
    """Activations spread over all licenses of a large database and of a small one, three clients on each before."""
    with contextlib.ExitStack() as stack:
        turns = []
        for name, count in (('large', licenses), ('small', LICENSES)):
            database.sql(WARM, name)
            server = stack.enter_context(replica(bench, directory / name, 0, database.url(name)))
            turns.append(Activations(bench, name, [server], count))
            turns[-1].count = WARM_UP
        what = f'PostgreSQL: an activation among {licenses // 1_000_000} M licenses with 3 clients each / among 100 k'
        for when, bound in (('right after a checkpoint', None), ('minutes after a checkpoint', 1.3)):
            database.sql('CHECKPOINT')
            if bound:
                for name in ('large', 'small'):
                    database.sql(WRITTEN, name)
            take_turns(bench, turns)
            large, small = (turn.rates for turn in turns)
            bench.add('4', f'{what}, {when}', ratio_of_medians(small, large), bound=bound,
                      detail=f'{spelled(large)} against {spelled(small)} a second')
            for turn in turns:
                turn.rates = []


def run_postgresql(bench: Bench) -> None:
    with contextlib.closing(Closing(PostgreSql(fsync=True, parent=bench.work, settings=SETTINGS))) as running:
        activations_on_postgresql(bench, running.database)
        validations(bench, running.database)


def run_size(bench: Bench) -> None:
    licenses = 10_000_000 if bench.full else 1_000_000
    directory = bench.work / f'postgresql-{licenses}'
    database = large_cluster(bench, directory, licenses)
    try:
        size(bench, database, directory, licenses)
    finally:
        database.stop()


def run_mariadb(bench: Bench) -> None:
    settings = ('innodb_buffer_pool_size = 1G', 'innodb_log_file_size = 1G', 'max_connections = 400')
    with contextlib.closing(Closing(MariaDb(fsync=True, parent=bench.work, settings=settings))) as running:
        database = running.database
        for how, by_socket in WAYS:
            data, ours, peer = competitors(bench, database, how)
            database.sql('SET @row = 0; UPDATE licenses SET `row` = (@row := @row + 1) ORDER BY `row`', peer)  # without gaps
            with replica(bench, data, 0, database.url(ours, by_socket)) as server:
                spread = Activations(bench, 'spread', [server], LICENSES)
                spread.visit_all()
                compare(bench, '4', f'MariaDB, {how}: activate, spread / one a transaction', spread, SysBench(bench, database, peer, by_socket, LICENSES), 3)
                compare(bench, '4', f'MariaDB, {how}: activate, one hot license / one a transaction',
                        Activations(bench, 'hot', [server], 1), SysBench(bench, database, peer, by_socket, 1), 6)
                compare(bench, '4', f'MariaDB, {how}: activate, spread, {MANY_CONNECTIONS} connections / one a transaction',
                        Activations(bench, 'many', [server], LICENSES, MANY_CONNECTIONS),
                        SysBench(bench, database, peer, by_socket, LICENSES, MANY_CONNECTIONS), 3)


class Closing:
    def __init__(self, database):
        self.database = database.start()

    def close(self):
        self.database.remove()
