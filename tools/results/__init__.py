"The folders of nbs/results, made again from the shipped models."
