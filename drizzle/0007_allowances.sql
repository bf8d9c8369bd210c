CREATE TABLE "ledger_allowances" (
	"id" "bytea" PRIMARY KEY NOT NULL,
	"tenant_id" uuid NOT NULL,
	"account_id" uuid NOT NULL,
	"account" "bytea" NOT NULL,
	"vault" "bytea" NOT NULL,
	"price_list" "bytea" NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"operation_id" uuid NOT NULL,
	"sequence" bigint,
	"state" text NOT NULL,
	"sealed" "bytea" NOT NULL,
	"lease_until" timestamp with time zone,
	"close_asked" boolean DEFAULT false NOT NULL,
	"retry_at" timestamp with time zone,
	"code" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "statements" ADD COLUMN "spent" "bytea";--> statement-breakpoint
CREATE INDEX "ledger_allowances_account" ON "ledger_allowances" USING btree ("account");--> statement-breakpoint
CREATE INDEX "ledger_allowances_live" ON "ledger_allowances" USING btree ("vault") WHERE state IN ('open', 'ended', 'frozen', 'closing');--> statement-breakpoint
CREATE INDEX "statements_policy" ON "statements" USING btree ("leaf_index") WHERE type = 5;