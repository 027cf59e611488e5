-- One shop with its past of 60 days, in statements over whole tables; large_shop.py runs them in this order.
-- A line that begins with "--:" names what follows. Parameters: the numbers :shop :webhooks :people :carts :orders, and
-- recorded bodies.
-- bench_id(n) is the id of the n-th row of a table: the shops' rows lie between each other's, as they came in together.
-- bench_n(id) is n again. Every third person never agreed to mail.
-- Foreign keys are not checked meanwhile.

--: people
INSERT INTO customers (shop_id, id, email, first_name, last_name, locale, country, created_at) OVERRIDING SYSTEM VALUE
SELECT :shop, bench_id(n), 'shopper' || n || '@example.com',
       (ARRAY['Maya', 'Tomas', 'Aylin', 'Emre', 'Ines', 'Jonas', 'Lea', 'Omar', 'Rosa', 'Yusuf', 'Zoe', 'Wei'])[1 + n % 12],
       'Last' || n % 7919, 'en', 'US', now() - (:people - n) * (interval '700 days' / :people)
  FROM generate_series(1, :people) AS n;

INSERT INTO customer_identities (shop_id, id, kind, value, customer_id, consent_state, consent_at, agreed_at)
OVERRIDING SYSTEM VALUE
SELECT shop_id, bench_id(2 * n), 'id', (7000000000000 + n)::text, bench_id(n), 'none', NULL, NULL
  FROM generate_series(1, :people) AS n, (SELECT :shop AS shop_id) AS one
UNION ALL
SELECT shop_id, bench_id(2 * n + 1), 'email', 'shopper' || n || '@example.com', bench_id(n),
       CASE WHEN n % 3 = 0 THEN 'none' ELSE 'subscribed' END,
       CASE WHEN n % 3 > 0 THEN now() - interval '700 days' END, CASE WHEN n % 3 > 0 THEN now() - interval '700 days' END
  FROM generate_series(1, :people) AS n, (SELECT :shop AS shop_id) AS one;

--: products
INSERT INTO products (shop_id, id, external_id, title, url, price_minor, is_available, changed_at, rank)
OVERRIDING SYSTEM VALUE
SELECT :shop, bench_id(n), (8000000000000 + n)::text, 'Mug no. ' || n, 'https://shop.example.com/mug-' || n, 2400, true,
       now() - interval '90 days', '0'
  FROM generate_series(1, greatest(20, :webhooks / 500)) AS n;

--: carts
INSERT INTO checkouts (shop_id, id, token, cart_token, customer_id, email, first_name, locale, lines, currency,
                       subtotal_minor, total_minor, recovery_url, started_at, changed_at, rank, completed_at)
OVERRIDING SYSTEM VALUE
SELECT :shop, bench_id(n), md5('cart' || n), 'c' || md5('cart' || n), bench_id(person), 'shopper' || person || '@example.com',
       'Maya', 'en',
       jsonb_build_array(jsonb_build_object('title', 'Mug no. ' || n % 97, 'quantity', 2, 'price_minor', 2400,
           'product_id', (8000000000001 + n % 20)::text, 'sku', 'MUG-' || n % 97)),
       'USD', 4800, 5300, 'https://shop.example.com/recover/' || n, at, at + interval '4 minutes', '0',
       CASE WHEN n % 3 = 0 THEN at + interval '2 hours' END
  FROM (SELECT n, 1 + n * 7919 % :people AS person, now() - (:carts - n) * (interval '60 days' / :carts) AS at
          FROM generate_series(1, :carts::bigint) AS n) AS told;

--: orders
-- Every hundredth is of the shop's most faithful person, the first one: pages about a person must bear that.
INSERT INTO orders (shop_id, id, external_id, number, customer_id, checkout_token, status, total_minor, refunded_minor,
                    currency, discount_codes, is_test, started_at, placed_at, paid_at, changed_at, rank)
OVERRIDING SYSTEM VALUE
SELECT :shop, bench_id(n), (5900000000000 + n)::text, '#' || 1000 + n, bench_id(person), md5('cart' || 2 * n), 'paid',
       2400 + n % 90 * 100, CASE WHEN n % 50 = 0 THEN 1000 ELSE 0 END, 'USD', '[]', false, at, at, at, at, '0'
  FROM (SELECT n, CASE WHEN n % 100 = 0 THEN 1 ELSE 1 + n * 6151 % :people END AS person,
               now() - (:orders - n) * (interval '60 days' / :orders) AS at
          FROM generate_series(1, :orders::bigint) AS n) AS told;

INSERT INTO order_lines (shop_id, order_id, position, product_id, title, sku, quantity, price_minor)
SELECT shop_id, id, position, (8000000000001 + id % 20)::text, 'Mug no. ' || id % 97, 'MUG-' || id % 97, 1, 2400
  FROM orders, generate_series(0, 1) AS position WHERE shop_id = :shop;

INSERT INTO purchase_marks (shop_id, id, order_external_id, checkout_token, customer_id, ordered_at, marked_at)
OVERRIDING SYSTEM VALUE
SELECT shop_id, id, external_id, checkout_token, customer_id, placed_at, placed_at FROM orders WHERE shop_id = :shop;

INSERT INTO shipments (shop_id, id, external_id, order_external_id, state, company, tracking_number, changed_at, rank,
                       delivered_at)
OVERRIDING SYSTEM VALUE
SELECT shop_id, id, 's' || external_id, external_id, 'delivered', 'UPS', '1Z' || external_id, placed_at, '0', placed_at
  FROM orders WHERE shop_id = :shop AND right(external_id, 1) < '7';

--: webhooks
-- Retention has erased what was handled and is older than 30 days. 6 in 10 are about carts, each cart twice.
INSERT INTO webhooks (shop_id, id, platform, topic, dedupe_key, external_id, delivery_id, body, body_sha256, headers,
                      received_at, due_at, processed_at, state, attempts, error, error_class)
OVERRIDING SYSTEM VALUE
SELECT :shop, bench_id(n), 'shopify', topic, 'd' || n, 'x' || n, 'd' || n,
       CASE WHEN state IN ('done', 'ignored') AND at < now() - interval '30 days' THEN NULL
            WHEN topic = 'checkouts/update'
            THEN convert_to(replace(:cart_body, '8f2b6a0d4c9e4b57a1d3e60f7c2b9a84', md5('cart' || cart)), 'UTF8')
            ELSE convert_to(replace(:customer_body, 'maya.okafor', 'shopper' || n), 'UTF8') END,
       sha256(n::text::bytea), '{"X-Shopify-API-Version": "2026-10"}', at, at,
       CASE WHEN state <> 'pending' THEN at + interval '80 milliseconds' END, state, 1,
       CASE WHEN state = 'failed' THEN 'line_items.' || n % 6 || '.price: a price is not a number.' END,
       CASE WHEN state = 'failed' THEN 'BadPayload' END
  FROM (SELECT n, 1 + n * :carts / :webhooks AS cart, now() - (:webhooks - n) * (interval '60 days' / :webhooks) AS at,
               (ARRAY['checkouts/update', 'checkouts/update', 'checkouts/update', 'checkouts/update', 'checkouts/update',
                      'checkouts/update', 'orders/create', 'orders/updated', 'customers/update', 'products/update'])
               [1 + n % 10] AS topic,
               CASE WHEN n % 199 = 0 THEN 'failed' WHEN n > :webhooks - 100 THEN 'pending'
                    WHEN n % 10 = 9 THEN 'ignored' ELSE 'done' END AS state
          FROM generate_series(1, :webhooks::bigint) AS n) AS told;

--: events
INSERT INTO events (shop_id, kind, object_id, happened_at, webhook_id, customer_id)
SELECT shop_id, CASE n % 10 WHEN 6 THEN 'order_updated' WHEN 7 THEN 'order_updated' WHEN 8 THEN 'customer_updated'
                            ELSE 'checkout_updated' END,
       CASE WHEN n % 10 IN (6, 7) THEN (5900000000000 + 1 + n * :orders / :webhooks)::text
            WHEN n % 10 = 8 THEN (7000000000000 + 1 + n * 7919 % :people)::text
            ELSE md5('cart' || 1 + n * :carts / :webhooks) END,
       received_at, id,
       CASE WHEN n % 10 IN (6, 7) THEN bench_id(1 + (1 + n * :orders / :webhooks) * 6151 % :people)
            WHEN n % 10 = 8 THEN bench_id(1 + n * 7919 % :people)
            ELSE bench_id(1 + (1 + n * :carts / :webhooks) * 7919 % :people) END
  FROM (SELECT shop_id, id, received_at, substr(dedupe_key, 2)::bigint AS n
          FROM webhooks WHERE shop_id = :shop AND state = 'done') AS told;

--: runs
-- One for each cart and one for each order, in the order of time. Who came in the last days is in the flow still.
INSERT INTO enrollments (shop_id, id, flow, version, subject_key, episode, arm, customer_id, state, reason, entered_at,
                         ended_at)
OVERRIDING SYSTEM VALUE
SELECT :shop, bench_id(n), flow, 1, subject_key, episode, CASE WHEN n % 20 = 0 THEN 'holdout' ELSE 'treated' END, customer_id,
       CASE WHEN at > now() - interval '4 days' THEN 'active' WHEN n % 3 = 0 THEN 'exited' ELSE 'finished' END,
       CASE WHEN at <= now() - interval '4 days' AND n % 3 = 0 THEN 'ordered' END, at,
       CASE WHEN at <= now() - interval '4 days' THEN at + interval '26 hours' END
  FROM (SELECT row_number() OVER (ORDER BY at, episode) AS n, * FROM (
           SELECT 'abandoned_cart' AS flow, 'checkout' AS subject_key, token AS episode, customer_id, changed_at AS at
             FROM checkouts WHERE shop_id = :shop
            UNION ALL
           SELECT 'post_purchase', 'order', external_id, customer_id, placed_at FROM orders WHERE shop_id = :shop) AS each
       ) AS told;

INSERT INTO scheduled_steps (shop_id, id, enrollment_id, step_no, state, due_at)
OVERRIDING SYSTEM VALUE
SELECT shop_id, id, id, CASE WHEN state = 'active' THEN 2 ELSE 0 END, CASE WHEN state = 'active' THEN 'pending' ELSE 'done' END,
       CASE WHEN state = 'active' THEN now() + interval '1 day' + random() * interval '1 day' ELSE entered_at END
  FROM enrollments WHERE shop_id = :shop;

--: decisions
INSERT INTO decisions (shop_id, enrollment_id, version, step_no, because, saw, effects, decided_at)
SELECT shop_id, id, 1, 0, CASE WHEN turn = 0 THEN 'entered' ELSE coalesce(reason, 'due') END,
       '{"cart_pieces": 3, "checkout_completed": false, "ordered_at": null, "consent": "subscribed", "suppressed": null,
         "flow_on": true, "shop": "active", "held_out": false}',
       CASE WHEN turn = 0 THEN '[{"effect": "Schedule", "step_no": 0, "due_at": "2026-11-21T13:00:00+00:00"}]'::jsonb
            ELSE '[{"effect": "SendEmail", "step": "reminder", "due_at": "2026-11-21T13:00:00+00:00", "coupon": null}]' END,
       entered_at + turn * interval '1 hour'
  FROM enrollments, generate_series(0, 1) AS turn WHERE shop_id = :shop ORDER BY entered_at + turn * interval '1 hour';

--: mails
-- A reminder or thanks for each run that is not held out, and a coupon for a third of the carts; in the order of time.
INSERT INTO deliveries (shop_id, id, enrollment_id, flow, step, customer_id, recipient, token, state, reason, due_at,
                        step_due_at, created_at, sending_at, claimed_at, sent_at, subject, progress, attempts, provider_id)
OVERRIDING SYSTEM VALUE
SELECT shop_id, bench_id(n), id, flow, step, customer_id, 'shopper' || bench_n(customer_id) || '@example.com',
       decode(md5(shop_id || '/' || n), 'hex'), state,
       CASE state WHEN 'skipped' THEN coalesce(reason, 'no_consent') WHEN 'failed' THEN '550 5.1.1 No such address.'
                  WHEN 'unknown' THEN 'The connection broke before the answer came.' END,
       at, at, at, claimed_at, claimed_at, CASE WHEN state = 'sent' THEN claimed_at + interval '2 seconds' END,
       CASE WHEN state = 'sent' THEN 'We kept your cart' END, CASE WHEN state = 'sent' THEN 'delivered' END, 1,
       CASE WHEN state = 'sent' THEN 'p' || shop_id || '-' || n END
  FROM (SELECT *, CASE WHEN state IN ('sent', 'failed', 'unknown') THEN at + interval '3 seconds' END AS claimed_at
          FROM (SELECT *, CASE WHEN n % 500 = 1 THEN 'unknown' WHEN n % 200 = 2 THEN 'failed'
                               WHEN run_state = 'exited' OR bench_n(customer_id) % 3 = 0 THEN 'skipped' ELSE 'sent'
                               END AS state
                  FROM (SELECT row_number() OVER (ORDER BY at, step, id) AS n, * FROM (
                           SELECT shop_id, id, flow,
                                  CASE flow WHEN 'post_purchase' THEN 'thanks_first' ELSE 'reminder' END AS step, customer_id,
                                  state AS run_state, reason, entered_at + interval '1 hour' AS at
                             FROM enrollments WHERE shop_id = :shop AND arm = 'treated'
                            UNION ALL
                           SELECT shop_id, id, flow, 'coupon', customer_id, state, reason, entered_at + interval '25 hours'
                             FROM enrollments
                            WHERE shop_id = :shop AND arm = 'treated' AND flow = 'abandoned_cart' AND state = 'finished'
                              AND bench_n(id) % 2 = 0) AS each
                         WHERE at < now()) AS numbered) AS told) AS ended;

INSERT INTO delivery_events (shop_id, delivery_id, kind, is_soft, is_machine, dedupe_key, happened_at, recorded_at)
SELECT shop_id, id, CASE WHEN id % 50 = 7 THEN 'bounced' ELSE 'delivered' END, false, false,
       sha256((shop_id || 'e' || id)::bytea), sent_at + interval '3 seconds', sent_at + interval '4 seconds'
  FROM deliveries WHERE shop_id = :shop AND state = 'sent' ORDER BY sent_at;

--: links and clicks
INSERT INTO links (shop_id, delivery_id, position, token, url)
SELECT shop_id, id, position, decode(md5('l' || shop_id || '/' || id || '/' || position), 'hex'),
       CASE WHEN position > 0 THEN 'https://shop.example.com/recover/' || id END
  FROM deliveries, generate_series(0, 2, 2) AS position WHERE shop_id = :shop AND state = 'sent' ORDER BY sent_at;

INSERT INTO engagements (shop_id, delivery_id, link_id, kind, machine, at)
SELECT shop_id, delivery_id, id, CASE position WHEN 0 THEN 'opened' ELSE 'clicked' END,
       CASE WHEN id % 13 = 0 THEN 'too_soon' END, now() - interval '60 days' + (id % 86000) * interval '1 minute'
  FROM links WHERE shop_id = :shop AND id % 4 = 0;

--: coupons
INSERT INTO coupons (shop_id, id, enrollment_id, step, code, percent, state, order_external_id, starts_at, expires_at,
                     created_at)
OVERRIDING SYSTEM VALUE
SELECT shop_id, id, enrollment_id, step, 'TEA-' || upper(substr(md5(id::text), 1, 9)), 10, 'minted',
       CASE WHEN bench_n(id) % 10 = 3 THEN (5900000000001 + bench_n(id) % :orders)::text END, created_at,
       created_at + interval '48 hours', created_at
  FROM deliveries WHERE shop_id = :shop AND step = 'coupon' AND state <> 'skipped';

--: credited orders
ANALYZE orders, deliveries;

INSERT INTO attributions (shop_id, order_external_id, state, due_at, delivery_id, flow, step, rule, amount_minor, currency,
                          ordered_at, decided_at)
SELECT o.shop_id, o.external_id, 'done', o.placed_at, d.id, d.flow, d.step, CASE WHEN d.id IS NOT NULL THEN 'click' END,
       CASE WHEN d.id IS NOT NULL THEN o.total_minor END, o.currency, o.placed_at, o.placed_at + interval '5 minutes'
  FROM orders AS o LEFT JOIN deliveries AS d ON d.shop_id = o.shop_id AND d.id = o.id AND d.state = 'sent'
   AND bench_n(o.id) % 8 = 0
 WHERE o.shop_id = :shop;

--: answers
INSERT INTO answers (shop_id, delivery_id, enrollment_id, customer_id, score, is_low, words, answered_at, settled_at)
SELECT shop_id, id, enrollment_id, customer_id, 1 + bench_n(id) % 5, bench_n(id) % 5 < 2, 'It came in time and looks good.', sent_at,
       CASE WHEN bench_n(id) % 5 < 2 AND bench_n(id) % 100 > 4 THEN sent_at + interval '1 day' END
  FROM deliveries WHERE shop_id = :shop AND step = 'thanks_first' AND state = 'sent' AND bench_n(id) % 3 = 0;

INSERT INTO replies (shop_id, delivery_id, customer_id, message_key, text, is_automatic, received_at)
SELECT shop_id, id, customer_id, sha256((shop_id || 'r' || id)::bytea), 'Thank you!', false, sent_at + interval '1 hour'
  FROM deliveries WHERE shop_id = :shop AND state = 'sent' AND bench_n(id) % 40 = 0;

--: audit log
INSERT INTO audit_log (shop_id, actor, action, object_kind, object_id, detail, at)
SELECT :shop, 'merchant', 'webhook.revealed', 'webhook', bench_id(n)::text, '{}',
       now() - (:webhooks / 20 - n) * (interval '60 days' / (:webhooks / 20))
  FROM generate_series(1, :webhooks / 20) AS n;
