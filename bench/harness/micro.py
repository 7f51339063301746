"""Item 21: `decide` by itself, and in a full run the store by itself (Google Benchmark)."""

import json
import pathlib
import subprocess

from harness.bench import Bench, SERVER_CPU


def google_benchmark(bench: Bench, name: str, *options: str) -> list[dict]:
    command = ['taskset', '-c', SERVER_CPU, str(bench.programs / name), '--benchmark_format=json', *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=bench.work, text=True)
    return json.loads(done.stdout)['benchmarks']


def run(bench: Bench) -> None:
    repetitions = ('--benchmark_repetitions=9', '--benchmark_report_aggregates_only=true',
                   '--benchmark_enable_random_interleaving=true', '--benchmark_min_time=0.05')
    for result in google_benchmark(bench, 'bench_decide', *repetitions):
        if result['aggregate_name'] == 'median':
            bound = 200 if result['run_name'].startswith('validate') else None
            bench.add('21', f'decide: {result["run_name"].replace("_", " ")}', result['cpu_time'], 'ns', bound=bound)
    if bench.full and pathlib.Path(bench.programs / 'bench_store').exists():
        for result in google_benchmark(bench, 'bench_store', '--benchmark_filter=apply/[02]/(1|64|256)/|read_license'):
            name = ' '.join(filter(None, (result['name'].split('/min_time')[0], result.get('label', ''))))
            bench.add('18', f'store: {name}', result['items_per_second'], 'a second')
