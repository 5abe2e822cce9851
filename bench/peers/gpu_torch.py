"""The update of SAC in PyTorch on a card, with CUDA graphs: torch_sac.py's losses with sampling, every
gradient, Adam and the targets recorded once and replayed, several updates in a graph.

`graph` records the functions as they stand, `compile` what torch.compile makes of them first.
"""

from __future__ import annotations

import gpu_rows

VARIANTS = ["graph", "compile"]
RECORDED = 8


def main() -> None:
    given = gpu_rows.options(__doc__, VARIANTS)
    try:
        import torch
    except ImportError as error:
        gpu_rows.missing(error)
    card = torch.cuda.is_available()
    if not card and not given.cpu:
        gpu_rows.missing("PyTorch sees no card")
    torch.set_default_device("cuda" if card else "cpu")
    torch.set_float32_matmul_precision("highest")
    torch.manual_seed(1)

    import data
    import torch_parts as parts
    import torch_sac

    class Plain(parts.Whole):
        """Not compiled."""

        def compiled(self, function):
            return torch.no_grad()(function)

    case = gpu_rows.sized(gpu_rows.SAC, given.tiny)
    replay = parts.Replay(data.transitions(case, case.rows), case)
    wait = torch.cuda.synchronize if card else lambda: None

    def recorded(learner):
        """A call that makes RECORDED updates."""

        def updates() -> None:
            for _ in range(RECORDED):
                learner.update(replay.sample())

        if not card:
            return updates
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            updates()  # compiled and loaded, memory taken
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            updates()
        return graph.replay

    where = torch.cuda.get_device_name() if card else "cpu"
    for variant in given.variants:
        whole = parts.Whole(case) if variant == "compile" else Plain(case)
        call = recorded(torch_sac.Sac(whole))
        measured = gpu_rows.measure(call, wait, RECORDED, given.seconds)
        finite = all(bool(p.isfinite().all()) for p in parts.trees.tree_leaves(whole.params))
        note = f"PyTorch {torch.__version__}, {where}, {RECORDED} updates in a graph, {variant}"
        gpu_rows.row("torch", "sac", measured, note + ("" if finite else ": parameters are not finite"))


if __name__ == "__main__":
    main()
