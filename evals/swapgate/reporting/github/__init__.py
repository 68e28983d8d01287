"""What a run says where GitHub Actions executes it: annotations in the log, a summary of the job."""
