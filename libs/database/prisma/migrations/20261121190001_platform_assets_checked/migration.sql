SET lock_timeout = '3s';

ALTER TABLE "assets" VALIDATE CONSTRAINT "assets_purpose_place";
