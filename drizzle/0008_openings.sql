CREATE TABLE "chain_openings" (
	"request_id" "bytea" PRIMARY KEY NOT NULL,
	"tenant_id" uuid DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
	"sealed" "bytea" NOT NULL,
	"asked" boolean NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "chain_transactions" RENAME COLUMN "request_id" TO "subject";--> statement-breakpoint
CREATE INDEX "chain_openings_expiry" ON "chain_openings" USING btree ("expires_at");--> statement-breakpoint
ALTER TABLE "chain_transactions" DROP COLUMN "gas_limit";--> statement-breakpoint
ALTER TABLE "chain_transactions" DROP COLUMN "max_fee_per_gas";--> statement-breakpoint
ALTER TABLE "chain_transactions" DROP COLUMN "max_priority_fee_per_gas";