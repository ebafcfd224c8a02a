"""What a model is measured by beside the evaluation that a stage has anyway."""
