-- Version 5. Released: never change it, not even its white space, which SQLite keeps in the schema.
-- Totals, kept by triggers, so that every way of writing keeps them: `standings` of users, `holders` of badges and
-- levels. In its row of no badge, `holders` counts the standings.

CREATE TABLE "standings" (
        "user" TEXT NOT NULL PRIMARY KEY,
        "awards" INTEGER NOT NULL,
        "badges" INTEGER NOT NULL,
        "last_awarded_at" TEXT NOT NULL
    ) WITHOUT ROWID
    ;

CREATE INDEX "standing_order" ON "standings" ("awards" DESC, "last_awarded_at", "user");

CREATE TABLE "holders" (
        "badge" TEXT NOT NULL,
        "level" INTEGER NOT NULL,
        "users" INTEGER NOT NULL,
        PRIMARY KEY ("badge", "level")
    ) WITHOUT ROWID
    ;

DELETE FROM holders;

DELETE FROM standings;

INSERT INTO standings 
    SELECT "user", count(*) FILTER (WHERE revoked_at IS NULL), count(DISTINCT badge) FILTER (WHERE revoked_at IS NULL),
        coalesce(max(awarded_at) FILTER (WHERE revoked_at IS NULL), '')
    FROM awards GROUP BY "user"
    UNION ALL SELECT "user", 0, 0, '' FROM (SELECT DISTINCT "user" FROM events) known
    WHERE NOT EXISTS (SELECT 1 FROM awards WHERE "user" = known."user")
;

INSERT INTO holders 
    SELECT badge, level, count(DISTINCT "user") AS users FROM awards WHERE revoked_at IS NULL GROUP BY badge, level
    UNION ALL SELECT '', 0, count(*) FROM standings
;

CREATE TRIGGER "award_gained" AFTER INSERT ON awards WHEN NEW.revoked_at IS NULL BEGIN 
    INSERT INTO standings VALUES (NEW."user", 1, 1, NEW.awarded_at) ON CONFLICT DO UPDATE SET awards = awards + 1,
        badges = badges + CASE WHEN (SELECT 1 FROM awards WHERE ("user", badge) = (NEW."user", NEW.badge) AND (level, "key", occasion) < (NEW.level, NEW."key", NEW.occasion)  AND revoked_at IS NULL ORDER BY level DESC, "key" DESC, occasion DESC LIMIT 1) IS NULL THEN (SELECT 1 FROM awards WHERE ("user", badge) = (NEW."user", NEW.badge) AND (level, "key", occasion) > (NEW.level, NEW."key", NEW.occasion)  AND revoked_at IS NULL ORDER BY level, "key", occasion LIMIT 1) IS NULL ELSE 0 END, last_awarded_at = max(last_awarded_at, excluded.last_awarded_at);
    INSERT INTO holders SELECT NEW.badge, NEW.level, 1 WHERE CASE WHEN (SELECT 1 FROM awards WHERE ("user", badge, level) = (NEW."user", NEW.badge, NEW.level) AND ("key", occasion) < (NEW."key", NEW.occasion)  AND revoked_at IS NULL ORDER BY "key" DESC, occasion DESC LIMIT 1) IS NULL THEN (SELECT 1 FROM awards WHERE ("user", badge, level) = (NEW."user", NEW.badge, NEW.level) AND ("key", occasion) > (NEW."key", NEW.occasion)  AND revoked_at IS NULL ORDER BY "key", occasion LIMIT 1) IS NULL ELSE 0 END
        ON CONFLICT DO UPDATE SET users = users + 1;
 END;

CREATE TRIGGER "award_known" AFTER INSERT ON awards WHEN NEW.revoked_at IS NOT NULL BEGIN INSERT INTO standings VALUES (NEW."user", 0, 0, '') ON CONFLICT DO NOTHING; END;

CREATE TRIGGER "award_was" AFTER UPDATE OF "user", badge, level, awarded_at, revoked_at ON awards WHEN OLD.revoked_at IS NULL BEGIN 
        UPDATE standings SET awards = awards - 1, badges = badges - CASE WHEN (SELECT 1 FROM awards WHERE ("user", badge) = (OLD."user", OLD.badge) AND (level, "key", occasion) > (OLD.level, OLD."key", OLD.occasion) AND ("user", badge, level, "key", occasion) <> (NEW."user", NEW.badge, NEW.level, NEW."key", NEW.occasion) AND revoked_at IS NULL ORDER BY level, "key", occasion LIMIT 1) IS NULL THEN (SELECT 1 FROM awards WHERE ("user", badge) = (OLD."user", OLD.badge) AND (level, "key", occasion) < (OLD.level, OLD."key", OLD.occasion) AND ("user", badge, level, "key", occasion) <> (NEW."user", NEW.badge, NEW.level, NEW."key", NEW.occasion) AND revoked_at IS NULL ORDER BY level DESC, "key" DESC, occasion DESC LIMIT 1) IS NULL ELSE 0 END,
            last_awarded_at = CASE last_awarded_at WHEN OLD.awarded_at THEN coalesce((
                SELECT max(awarded_at) FROM awards WHERE "user" = OLD."user" AND revoked_at IS NULL
            ), '') ELSE last_awarded_at END
        WHERE "user" = OLD."user";
        UPDATE holders SET users = users - 1
        WHERE badge = OLD.badge AND level = OLD.level AND CASE WHEN (SELECT 1 FROM awards WHERE ("user", badge, level) = (OLD."user", OLD.badge, OLD.level) AND ("key", occasion) > (OLD."key", OLD.occasion) AND ("user", badge, level, "key", occasion) <> (NEW."user", NEW.badge, NEW.level, NEW."key", NEW.occasion) AND revoked_at IS NULL ORDER BY "key", occasion LIMIT 1) IS NULL THEN (SELECT 1 FROM awards WHERE ("user", badge, level) = (OLD."user", OLD.badge, OLD.level) AND ("key", occasion) < (OLD."key", OLD.occasion) AND ("user", badge, level, "key", occasion) <> (NEW."user", NEW.badge, NEW.level, NEW."key", NEW.occasion) AND revoked_at IS NULL ORDER BY "key" DESC, occasion DESC LIMIT 1) IS NULL ELSE 0 END;
     END;

CREATE TRIGGER "award_is" AFTER UPDATE OF "user", badge, level, awarded_at, revoked_at ON awards WHEN NEW.revoked_at IS NULL BEGIN 
    INSERT INTO standings VALUES (NEW."user", 1, 1, NEW.awarded_at) ON CONFLICT DO UPDATE SET awards = awards + 1,
        badges = badges + CASE WHEN (SELECT 1 FROM awards WHERE ("user", badge) = (NEW."user", NEW.badge) AND (level, "key", occasion) < (NEW.level, NEW."key", NEW.occasion)  AND revoked_at IS NULL ORDER BY level DESC, "key" DESC, occasion DESC LIMIT 1) IS NULL THEN (SELECT 1 FROM awards WHERE ("user", badge) = (NEW."user", NEW.badge) AND (level, "key", occasion) > (NEW.level, NEW."key", NEW.occasion)  AND revoked_at IS NULL ORDER BY level, "key", occasion LIMIT 1) IS NULL ELSE 0 END, last_awarded_at = max(last_awarded_at, excluded.last_awarded_at);
    INSERT INTO holders SELECT NEW.badge, NEW.level, 1 WHERE CASE WHEN (SELECT 1 FROM awards WHERE ("user", badge, level) = (NEW."user", NEW.badge, NEW.level) AND ("key", occasion) < (NEW."key", NEW.occasion)  AND revoked_at IS NULL ORDER BY "key" DESC, occasion DESC LIMIT 1) IS NULL THEN (SELECT 1 FROM awards WHERE ("user", badge, level) = (NEW."user", NEW.badge, NEW.level) AND ("key", occasion) > (NEW."key", NEW.occasion)  AND revoked_at IS NULL ORDER BY "key", occasion LIMIT 1) IS NULL ELSE 0 END
        ON CONFLICT DO UPDATE SET users = users + 1;
 END;

CREATE TRIGGER "award_renamed" AFTER UPDATE OF "user" ON awards BEGIN INSERT INTO standings VALUES (NEW."user", 0, 0, '') ON CONFLICT DO NOTHING;
    DELETE FROM standings WHERE "user" = OLD."user" AND NOT EXISTS (SELECT 1 FROM events WHERE "user" = OLD."user")
        AND NOT EXISTS (SELECT 1 FROM awards WHERE "user" = OLD."user");
 END;

CREATE TRIGGER "award_lost" AFTER DELETE ON awards WHEN OLD.revoked_at IS NULL BEGIN 
        UPDATE standings SET awards = awards - 1, badges = badges - CASE WHEN (SELECT 1 FROM awards WHERE ("user", badge) = (OLD."user", OLD.badge) AND (level, "key", occasion) > (OLD.level, OLD."key", OLD.occasion)  AND revoked_at IS NULL ORDER BY level, "key", occasion LIMIT 1) IS NULL THEN (SELECT 1 FROM awards WHERE ("user", badge) = (OLD."user", OLD.badge) AND (level, "key", occasion) < (OLD.level, OLD."key", OLD.occasion)  AND revoked_at IS NULL ORDER BY level DESC, "key" DESC, occasion DESC LIMIT 1) IS NULL ELSE 0 END,
            last_awarded_at = CASE last_awarded_at WHEN OLD.awarded_at THEN coalesce((
                SELECT max(awarded_at) FROM awards WHERE "user" = OLD."user" AND revoked_at IS NULL
            ), '') ELSE last_awarded_at END
        WHERE "user" = OLD."user";
        UPDATE holders SET users = users - 1
        WHERE badge = OLD.badge AND level = OLD.level AND CASE WHEN (SELECT 1 FROM awards WHERE ("user", badge, level) = (OLD."user", OLD.badge, OLD.level) AND ("key", occasion) > (OLD."key", OLD.occasion)  AND revoked_at IS NULL ORDER BY "key", occasion LIMIT 1) IS NULL THEN (SELECT 1 FROM awards WHERE ("user", badge, level) = (OLD."user", OLD.badge, OLD.level) AND ("key", occasion) < (OLD."key", OLD.occasion)  AND revoked_at IS NULL ORDER BY "key" DESC, occasion DESC LIMIT 1) IS NULL ELSE 0 END;
     END;

CREATE TRIGGER "award_gone" AFTER DELETE ON awards BEGIN 
    DELETE FROM standings WHERE "user" = OLD."user" AND NOT EXISTS (SELECT 1 FROM events WHERE "user" = OLD."user")
        AND NOT EXISTS (SELECT 1 FROM awards WHERE "user" = OLD."user");
 END;

CREATE TRIGGER "event_known" AFTER INSERT ON events WHEN NEW.tally = 1 BEGIN INSERT INTO standings VALUES (NEW."user", 0, 0, '') ON CONFLICT DO NOTHING; END;

CREATE TRIGGER "event_renamed" AFTER UPDATE OF "user" ON events BEGIN INSERT INTO standings VALUES (NEW."user", 0, 0, '') ON CONFLICT DO NOTHING;
    DELETE FROM standings WHERE "user" = OLD."user" AND NOT EXISTS (SELECT 1 FROM events WHERE "user" = OLD."user")
        AND NOT EXISTS (SELECT 1 FROM awards WHERE "user" = OLD."user");
 END;

CREATE TRIGGER "event_gone" AFTER DELETE ON events BEGIN 
    DELETE FROM standings WHERE "user" = OLD."user" AND NOT EXISTS (SELECT 1 FROM events WHERE "user" = OLD."user")
        AND NOT EXISTS (SELECT 1 FROM awards WHERE "user" = OLD."user");
 END;

CREATE TRIGGER "standing_new" AFTER INSERT ON standings BEGIN UPDATE holders SET users = users + 1 WHERE badge = ''; END;

CREATE TRIGGER "standing_gone" AFTER DELETE ON standings BEGIN UPDATE holders SET users = users - 1 WHERE badge = ''; END;
