-- The message that the last turn answers anew: whoever follows it must not see the old answer.
alter table chatkit.threads add column retried text;
