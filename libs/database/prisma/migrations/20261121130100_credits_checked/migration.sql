SET lock_timeout = '3s';
ALTER TABLE "credits" VALIDATE CONSTRAINT "credits_parts_not_negative";
ALTER TABLE "credit_reservations" VALIDATE CONSTRAINT "credit_reservations_granted_range";
