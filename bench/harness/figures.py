"""Figures, their bounds, and how they are printed and kept."""

import dataclasses
import json
import statistics
import typing


@dataclasses.dataclass
class Figure:
    item: str  # of the list of promises, e.g. "17"
    name: str
    value: float
    unit: str = '×'
    bound: float | None = None  # None: told beside the others, promises nothing
    at_most: bool = True  # the bound is the greatest allowed value; otherwise the least
    detail: str = ''  # the numbers behind a ratio

    @property
    def met(self) -> bool | None:
        if self.bound is None:
            return None
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def row(self) -> list[str]:
        bound = '' if self.bound is None else f'{"≤" if self.at_most else "≥"} {spelled(self.bound, self.unit)}'
        verdict = {None: '', True: 'met', False: 'NOT MET'}[self.met]
        return [self.item, self.name, spelled(self.value, self.unit), bound, verdict, self.detail]


def spelled(value: float, unit: str) -> str:
    if unit == '×':
        return f'{value:.2f} ×'
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f'{value:,.{digits}f} {unit}'.replace(',', ' ')


def ratio_of_medians(ours: typing.Sequence[float], peers: typing.Sequence[float]) -> float:
    """Of pairs that were measured one right after the other: the median of their ratios, so that what disturbed a
    whole pair counts for little."""
    return statistics.median(a / b for a, b in zip(ours, peers, strict=True))


def print_table(figures: list[Figure]) -> None:
    rows = [['item', 'figure', 'value', 'bound', '', 'behind it'], *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print('  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def save(path: str, figures: list[Figure], machine: dict) -> None:
    content = {'machine': machine, 'figures': [{**dataclasses.asdict(figure), 'met': figure.met} for figure in figures]}
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write('\n')
