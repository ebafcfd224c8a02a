"""The help of the three commands; written out, so that asking for it imports nothing."""

from __future__ import annotations

from etude.component import GROUPS

TRAIN = """\
train — runs a pipeline of post-training stages, each composed of published parts

  train                                            the quickstart recipe: SFT, then RL, on a CPU
  train recipe=gsm8k model=tiny_bytes              another recipe, another model
  train objective=dapo                             in every stage that leaves the objective open
  train objective=grpo objective/advantage=rloo    another part of an objective
  train optimizer.lr=1e-5 seed=3                   values
  train stages.rl.training.steps=20                a value of one stage
  train stages.rl.objective=gspo                   a choice of one stage
  train pipeline='[rl]' start_from=PATH            some of the stages, from a model of your own
  train -m objective=grpo,rloo seed=1,2            a sweep; stages in common are trained once
  train debug=true                                 two steps of every stage
  train launcher=slurm launcher.time=4:00:00       as jobs of a cluster; returns when submitted

The same command again continues where it stopped; finished stages are not trained again.

Groups (GROUP=CHOICE; `etude list GROUP` shows the choices):
{groups}

Flags:
  -m, --multirun          run every combination of values separated by commas
  -c, --cfg job           print the composed config and stop (--resolve, -p PACKAGE)
  -i, --info              print versions, plug-ins and where choices come from
      --traceback         show where an error comes from (also ETUDE_TRACEBACK=1)
  -sc install=bash        print the script of completion: eval "$(train -sc install=bash)"
      --version

`etude show …` prints every stage resolved, `etude plan …` what would be trained and what it costs.
"""

EVALUATE = """\
evaluate — measures a model on the held-out rows of a data mix

  evaluate checkpoint=outputs/stages/rl-9be2…/model
  evaluate checkpoint=PATH data_mix=gsm8k_test verifier=math evaluation=thorough
  evaluate -m checkpoint=PATH data_mix=gsm8k,svamp

`checkpoint` is a folder in Hugging Face format. Groups it reads: data_mix, evaluation, verifier,
rollout, model, sources, tracker. The flags are those of train.
"""

VERIFY = """\
etude verify — has a verifier judge answers that are there already

  etude verify FILE verifier=math
  etude verify FILE verifier=number verifier.tolerance=0.01 label=is_correct
  etude verify FILE verifier=./reward.py:score columns.answer=gold
  etude verify FILE verifier=./second_opinion.py:SecondOpinion models.judge=FOLDER

FILE has a JSON object a line (.jsonl, .jsonl.gz): the answer in `response` or `completion`, and the
columns that the verifier requires (`answer`); also read are id, index, prompt, length and
stop_reason. The samples.jsonl of a stage is such a file.

  columns.NAME=COLUMN       what is called NAME here is the file's COLUMN
  label=COLUMN              compare with this column (true, 1, correct, … or false, 0, wrong, …):
                            disagreements, and the rates of wrong answers taken for right and of
                            right ones taken for wrong, with intervals of 95 %
      --json                {rows: [{id, outcome, parts, reason, …}, …], table: …}
      --traceback           show where an error comes from

Read are the groups verifier, models, model and rollout, and the keys execution and seed
(execution.verifier_workers=8). The exit code is 1 where the verifier itself failed on more than the
share verifier.most_failed of the answers.
"""

MEASURE = """\
etude measure — what finished work tells beside each other; nothing is trained or sampled

  etude measure capability BEFORE AFTER     two evaluations of the same problems: what became
                                            solvable, what only likelier, what was forgotten, and
                                            the curves of pass@k with their crossing
  etude measure transfer [RUN]              what the stages of a run kept, gained and lost, over all
                                            benchmarks of its evaluations
  etude measure weights BEFORE AFTER …      how many weights moved, where, with which rank, and
                                            whether several models moved the same
  etude measure scaling STAGE STAGE …       laws of loss by size, steps and batch, and predictions
  etude measure checkpoints STAGE --proxy METRIC
                                            whether a cheap evaluation chooses good checkpoints
  etude measure regularity EVALUATION=FLOPS …
                                            which scores of a benchmark of multiple choice grow
                                            regularly with compute, question by question
  etude measure dissection BEFORE AFTER     what changed of planning, knowledge and execution, from
                                            two evaluations of the kind dissection
  etude measure tampering ATTACK … --original EVALUATION
                                            whether attacks on its weights bring back what a model
                                            was made to forget, and how soon

Each has --json and --outputs FOLDER, and tells of its other flags: etude measure weights --help
"""

COMPARE = """\
etude compare — what runs, stages and evaluations prove against each other

  etude compare 77aa                        the members of a sweep; seeds of one setting are pooled
  etude compare 77aa --by objective         its objectives, matched by all else that was swept
  etude compare 4f1c 9e2b                   two runs
  etude compare rl-3c1e rl-90fe             two stages, by the evaluation of their models
  etude compare old=3c1e,90fe new=77aa      several under one name
  etude compare 77aa --at tokens            each as it was when all had sampled as many tokens

Problems are paired, and seeds where both have the same. Every difference is shown with its
interval of 95 %, a test corrected for all comparisons of the table, and, where it is not more than
noise, how large a difference would have been seen; then by difficulty and by source. What makes a
comparison unfair is said.

      --against ARM         what the others are compared with; default: the first
      --by KEY              the values of a swept key are the arms
      --metric NAME         pass@1 (default), pass@K, maj@K, avg@K, out_of_reach, length, truncated,
                            parts/NAME
      --evaluation NAME     one beside main
      --stage NAME          of a run's stages; default: the last that was measured
      --at tokens|steps|time[=AMOUNT]
                            at an equal budget, from evaluations in training
      --json, --csv         for programs
      --outputs FOLDER      where runs lie
"""

EXPORT = """\
etude export — a finished model as a folder for the hub, or as a row of a leaderboard

  etude export rl-3c1e                      the model of a stage, into outputs/exports/rl-3c1e
  etude export 77aa --to my-model           of a run's last stage (--stage NAME another)
  etude export rl-3c1e --role critic        another model that the stage trained
  etude export rl-3c1e --license apache-2.0 --base Qwen/Qwen3-0.6B
  etude export 77aa 4f1c --row >> board.jsonl
  etude export 77aa --csv

The folder holds the weights as the stage published them, compared by hash, a card (README.md) with
recipe, data, figures with intervals, licence and the command to repeat it, recipe.yaml with every
value of every stage, and etude.json with the hashes. Absolute paths and what looks like a secret
are left out. Nothing is loaded and the hub is not asked.

      --to FOLDER           where; a folder that is not empty is left alone
      --overwrite           replace the files of an earlier export there
      --role NAME           the model of a role that the stage trained
      --stage NAME          of a run's stages; default: the last
      --name NAME           the model's name on the card; default: the stage's, such as rl-3c1e
      --base OWNER/NAME     what training began with, where that was a folder
      --license NAME        as the hub writes it; default: what the card of the base says
      --row, --csv          print a line for each model, as JSON or as CSV, and write nothing
      --outputs FOLDER      where runs lie

`etude push FOLDER OWNER/NAME` uploads it.
"""

PUSH = """\
etude push — uploads an exported folder to the hub, after showing what and asking

  etude push outputs/exports/rl-3c1e me/my-model
  etude push outputs/exports/rl-3c1e my-model --public

Shown are the files with their sizes, the account, the repository and who may see it. A model that
is not as it was exported is refused, and so is a file that holds a secret. The card and the recipe
may be changed before.

      --public              a repository that everybody sees; default: a private one
      --yes                 upload without asking; needed where there is no terminal
      --message TEXT        what the upload is called

The token is that of `hf auth login`, or HF_TOKEN.
"""

ETUDE = """\
etude — everything that is not a run

  etude list [GROUP]        what can be chosen, with the paper it comes from
  etude show OVERRIDES      every stage resolved, what each part requires and what provides it
  etude plan OVERRIDES      the stages, what is done already, the arithmetic of batch and loss, and
                            estimates of memory, time and disk
  etude status [RUN]        how far runs are, why stages failed, what they wait for (--all, --json,
                            --watch)
  etude logs RUN STAGE      what a stage printed (--follow, --rank R, --attempt K)
  etude cancel RUN          end a run's jobs, or its process; what was saved stays
  etude resume RUN          go on with a run as it was written down
  etude compare RUN …       what runs, stages and evaluations prove against each other, or the
                            members of a sweep (etude compare --help)
  etude report [RUN…]       one HTML file: what was run, curves, samples, failures, cost (--to FILE)
  etude export STAGE        a finished model as a folder for the hub with its card, or as a row of
                            a leaderboard (etude export --help)
  etude push FOLDER NAME    upload such a folder, after asking (etude push --help)
  etude verify FILE         what a verifier makes of answers in a file, and of their labels
                            (etude verify --help)
  etude measure WHAT …      what finished stages, evaluations and models tell beside each other
                            (etude measure --help)
  etude clean               what outputs/ holds and what could be deleted; sizes first
  etude doctor              versions, devices, W&B login, outputs, stored models

OVERRIDES are those of train (`train --help`), RUN is part of a run's name. Training is `train`,
measuring is `evaluate`.
"""

COMMANDS = (
    "list",
    "show",
    "plan",
    "status",
    "logs",
    "cancel",
    "resume",
    "compare",
    "report",
    "export",
    "push",
    "verify",
    "measure",
    "clean",
    "doctor",
)


def train_help() -> str:
    """Return the help of `train`."""
    width = max(map(len, GROUPS))
    groups = "\n".join(f"  {name:<{width}}  {doc}" for name, doc in GROUPS.items())
    return TRAIN.format(groups=groups)
