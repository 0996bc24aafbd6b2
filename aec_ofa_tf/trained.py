"""What a run directory holds: networks, results and their scores. Nothing is trained here."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from aec_ofa_tf.config import require_type
from aec_ofa_tf.dataset import EVALUATION
from aec_ofa_tf.export.results import Evaluation
from aec_ofa_tf.export.scoring import evaluate_file, evaluation_of, require_clips
from aec_ofa_tf.models.checks import as_member
from aec_ofa_tf.models.keras_files import load_model
from aec_ofa_tf.models.space import SearchSpace, Subnet
from aec_ofa_tf.models.supernet import Supernet
from aec_ofa_tf.pinned_keras import keras
from aec_ofa_tf.report.update import update_report
from aec_ofa_tf.robustness.models import file_robustness, subnet_robustness
from aec_ofa_tf.robustness.results import Robustness
from aec_ofa_tf.robustness.store import store_file, store_subnet
from aec_ofa_tf.search.results import SearchResult
from aec_ofa_tf.training.config import EvaluationConfig
from aec_ofa_tf.training.evaluation import all_labels
from aec_ofa_tf.training.run import Run
from aec_ofa_tf.training.stages import TEACHER
from aec_ofa_tf.workdir import Workdir


class TrainedRun:
    """Reads the results of the stages of a run directory; `Experiment` runs the stages.

    Attributes:
        run: data, space, network, devices and run directory.
    """

    run: Run

    def __repr__(self) -> str:
        run, begun = self.run, ", ".join(self.run.workdir.stages())
        return (
            f"{type(self).__name__}({str(run.workdir.path)!r}, {len(run.records.labels)} labels, "
            f"{run.network.task}, space {run.space}, stages begun: {begun or 'none'})"
        )

    @property
    def workdir(self) -> Workdir:
        """The run directory."""
        return self.run.workdir

    @property
    def space(self) -> SearchSpace:
        """The trained search space."""
        return self.run.space

    def evaluate(
        self,
        subnet: Subnet | str | float,
        split: str = EVALUATION,
        evaluation: EvaluationConfig = EvaluationConfig(),
    ) -> Evaluation:
        """Recalibrates a subnet of the trained supernet and scores it on a split.

        Raises:
            ValueError: the supernet is not trained, or the split has no clips.
        """
        require_type("evaluation", evaluation, EvaluationConfig, "an EvaluationConfig")
        sizes = self.run.sizes(evaluation)
        require_clips(self.run.records, split)
        evaluator = self.run.evaluator(self.load_supernet(), sizes)
        batches, one = self.run.batches(split, sizes.batch_size), self.subnet(subnet)
        scores = evaluator.scores(one, evaluator.recalibrate(one), batches)
        return evaluation_of(scores, all_labels(batches), self.run.records, self.run.network.task)

    def evaluate_teacher(
        self, split: str = EVALUATION, evaluation: EvaluationConfig = EvaluationConfig()
    ) -> Evaluation:
        """Scores the teacher on a split.

        Raises:
            ValueError: there is no teacher, or the split has no clips.
        """
        require_type("evaluation", evaluation, EvaluationConfig, "an EvaluationConfig")
        sizes = self.run.sizes(evaluation, TEACHER)
        return evaluate_file(self.run.teacher_path, self.run.records, split, sizes.batch_size)

    def robustness(
        self,
        subnet: Subnet | str | float | None = None,
        split: str = EVALUATION,
        evaluation: EvaluationConfig = EvaluationConfig(),
        *,
        teacher: bool = False,
    ) -> Robustness:
        """The task's figure on a split, clean and under noise, filters and poor resampling.

        The result is kept in the run directory, for its report.

        Args:
            subnet: the subnet of the trained supernet, which is recalibrated.
            split: the split to score on.
            evaluation: batch size and calibration clips.
            teacher: whether to score the teacher instead of a subnet.

        Raises:
            ConfigError: the records hold log-mel, not audio.
            ValueError: not exactly one of subnet and teacher is given, it is not trained, or the
                split has no clips.
        """
        require_type("evaluation", evaluation, EvaluationConfig, "an EvaluationConfig")
        if (subnet is None) != teacher:
            raise ValueError("robustness takes either a subnet or teacher=True")
        if subnet is None:
            sizes, path = self.run.sizes(evaluation, TEACHER), self.run.teacher_path
            figure = self.run.task.figure
            result = file_robustness(path, self.run.records, split, sizes.batch_size, figure=figure)
            store_file(path, result)
        else:
            one = self.subnet(subnet)
            result = subnet_robustness(self.run, one, split, self.run.sizes(evaluation))
            store_subnet(self.workdir, str(one), result)
        update_report(self.workdir, self.run.records)
        return result

    def load_supernet(self) -> Supernet:
        """Loads the trained supernet.

        Raises:
            ValueError: the supernet is not trained.
            OSError: its last checkpoint cannot be read.
        """
        return self.run.load_supernet()

    def teacher(self) -> keras.Model:
        """Loads the trained teacher.

        Raises:
            ValueError: the teacher is not trained.
        """
        return load_model(self.run.teacher_path)

    def search_result(self) -> SearchResult:
        """The combined result of all searches of this run.

        Raises:
            ValueError: there is no search result.
        """
        with self.workdir.reading_search() as result:
            return SearchResult.from_dict(result)

    def winners(self) -> dict[str, Subnet]:
        """The subnet that the search found for every budget.

        Raises:
            ValueError: there is no search result.
        """
        winners = self.workdir.winners()
        return {budget: self.space.parse_subnet(text) for budget, text in winners.items()}

    def report(self, try_it: bool = False, litert_web: str | PathLike[str] | None = None) -> Path:
        """Writes `report/index.html` of the run directory: a page to click, which opens offline.

        Stages write it too when they finish, with a warning in place of an error.

        Args:
            try_it: whether to write `report/try_it/index.html` as well, which tags recordings and
                the microphone in the browser by the TFLite files that take a waveform.
            litert_web: folder of the npm package `@litertjs/core` for that page; None to let npm
                install it into the user's cache, once.

        Returns:
            The path of `report/index.html`.

        Raises:
            ValueError: something in the run directory or the records is damaged; or `try_it`, and
                no file takes a waveform.
            RuntimeError: npm is needed, and it is missing or fails.
            OSError: something cannot be read or written.
        """
        from aec_ofa_tf.report.page import write_report  # imports Jinja and Plotly
        from aec_ofa_tf.report.try_it import write_try_it

        if try_it:
            write_try_it(self.workdir, litert_web)
        return write_report(self.workdir, self.run.records)

    def subnet(self, subnet: Subnet | str | float) -> Subnet:
        """Parses a subnet, or checks that it is in the space.

        Raises:
            TypeError: it is neither a subnet nor the text of one.
            ValueError: the subnet is not in the space.
        """
        return as_member(self.space, subnet)
