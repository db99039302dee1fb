SET lock_timeout = '3s';

ALTER TABLE "tasks" VALIDATE CONSTRAINT "tasks_waiting_not_started";
ALTER TABLE "tasks" VALIDATE CONSTRAINT "tasks_waiting_has_parent";
