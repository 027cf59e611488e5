<?php
/** The connection, the webhooks, the pages of wp-admin, and what a person may ask for. */

const DELIVERY = 'https://cartwheel.example.org/webhooks/woocommerce/Zr8_o0eDqv3mWm4yYz-1Kg';

function connect() {
	World::$now->webhooks = array(
		11 => array( 'https://elsewhere.example/webhooks/woocommerce/Zr8_o0eDqv3mWm4yYz-1Kg', 'order.created', 'theirs', 'active' ),
		12 => array( DELIVERY, 'order.created', 'older', 'active' ),
		13 => array( DELIVERY, 'checkout.updated', 'a&amp;b', 'active' ),
		14 => array( DELIVERY, 'checkout.created', 'newer', 'disabled' ),
		15 => array( 'https://cartwheel.example.org/webhooks/woocommerce/../x', 'order.created', 'crooked', 'active' ),
	);
}

function printed( $callback ) {
	ob_start();
	try {
		$callback();
	} finally {
		$html = ob_get_clean();
	}
	return $html;
}

function test_the_connection_is_read_from_the_webhooks() {
	same( null, Cartwheel_Connection::current() );
	connect();
	$found = Cartwheel_Connection::current();
	same( array( 'Zr8_o0eDqv3mWm4yYz-1Kg', 'a&b', 'checkout.updated' ), array( $found['id'], $found['secret'], $found['signs'] ), 'the newest active one, decoded as WooCommerce does' );
	same( array( array( 'checkout.updated', 'order.created' ), array( 'checkout.created' ) ), array( $found['topics'], $found['disabled'] ) );
}

function test_a_webhook_of_somebody_else_is_no_connection() {
	connect();
	World::$now->webhooks = array( 11 => World::$now->webhooks[11], 15 => World::$now->webhooks[15] );
	same( null, Cartwheel_Connection::current() );
}

function test_our_topics_are_known_to_woocommerce() {
	same( array( 'order', 'checkout', 'shopper' ), apply_filters( 'woocommerce_valid_webhook_resources', array( 'order' ) ) );
	$hooks = apply_filters( 'woocommerce_webhook_topic_hooks', array( 'order.created' => array( 'x' ) ) );
	same( array( 'cartwheel_checkout_updated' ), $hooks['checkout.updated'] );
	same( array( 'order.created', 'checkout.created', 'checkout.updated', 'checkout.deleted', 'shopper.deleted' ), array_keys( $hooks ) );
	same( 4, count( apply_filters( 'woocommerce_webhook_topics', array() ) ) );
}

function test_a_body_is_read_when_it_is_delivered() {
	fill();
	type_address( 'alice@example.com' );
	$token = row()['token'];
	same( 'alice@example.com', apply_filters( 'woocommerce_webhook_payload', array(), 'checkout', $token, 1 )['email'] );
	same( array( 'id' => $token ), apply_filters( 'woocommerce_webhook_payload', array( 'id' => $token ), 'checkout', $token, 1 ) );
	same( 'cartwheel_checkout_invalid_id', apply_filters( 'woocommerce_webhook_payload', array(), 'checkout', str_repeat( '0', 32 ), 1 )['code'] );
	same( array( 'email_sha256' => 'ab' ), apply_filters( 'woocommerce_webhook_payload', array( 'id' => 'ab' ), 'shopper', 'ab', 1 ) );
	same( array( 'id' => 7 ), apply_filters( 'woocommerce_webhook_payload', array( 'id' => 7 ), 'order', 7, 1 ), 'not ours' );
}

function test_the_page_frames_cartwheel_with_a_token_for_who_looks() {
	connect();
	World::$now->user_id = 7;
	$html                = printed( array( 'Cartwheel_Admin', 'show' ) );
	holds( 1 === preg_match( '#src="https://cartwheel\.example\.org/woocommerce/admin\?wordpress_token=([A-Za-z0-9_.-]+)&amp;locale=zh_TW"#', $html, $found ), 'with the language of who looks' );
	$claims = json_decode( base64_decode( strtr( explode( '.', $found[1] )[0], '-_', '+/' ) ), true );
	same( array( 'Zr8_o0eDqv3mWm4yYz-1Kg', '7', 'https://shop.example.com' ), array( $claims['cid'], $claims['uid'], $claims['origin'] ) );
	same( Cartwheel_Token::LIFE, $claims['exp'] - $claims['iat'] );
	holds( false === strpos( $html, 'a&b' ) && false === strpos( $html, 'a&amp;b' ), 'the secret stays here' );
}

function test_a_token_is_only_for_who_may() {
	connect();
	World::$now->user_id = 7;
	$_POST               = array( 'nonce' => 'good' );
	$end                 = ended( array( 'Cartwheel_Admin', 'renew' ) );
	same( array( 200, 2 ), array( $end->status, count( explode( '.', $end->answer['token'] ) ) ) );
	World::$now->may = false;
	same( 403, ended( array( 'Cartwheel_Admin', 'renew' ) )->status );
	same( 403, ended( array( 'Cartwheel_Admin', 'show' ) )->status );
	same( 403, ended( array( 'Cartwheel_Settings_Page', 'show' ) )->status );
	World::$now->may = true;
	$_POST           = array( 'nonce' => 'forged' );
	same( 403, ended( array( 'Cartwheel_Admin', 'renew' ) )->status );
	$_POST                = array( 'nonce' => 'good' );
	World::$now->webhooks = array();
	same( 409, ended( array( 'Cartwheel_Admin', 'renew' ) )->status );
}

function test_an_unconnected_shop_is_led_to_the_page_that_connects_it() {
	$html = printed( array( 'Cartwheel_Admin', 'show' ) );
	holds( false !== strpos( $html, 'https://cartwheel.example.org/woocommerce/connect?shop=https%3A%2F%2Fshop.example.com' ) );
	holds( false === strpos( $html, '<iframe' ) );
}

function test_the_settings_page_says_how_it_stands() {
	$html = printed( array( 'Cartwheel_Settings_Page', 'show' ) );
	holds( false !== strpos( $html, 'Not connected' ) && false !== strpos( $html, 'No cart yet' ) );
	connect();
	fill();
	type_address( 'alice@example.com' );
	$html = printed( array( 'Cartwheel_Settings_Page', 'show' ) );
	holds( false !== strpos( $html, '>Connected<' ) && false !== strpos( $html, '1 cart, last changed' ) );
	holds( false !== strpos( $html, 'missing: checkout.created, checkout.deleted, shopper.deleted' ) );
	holds( false === strpos( $html, 'alice' ) && false === strpos( $html, 'a&amp;b' ) );
}

function test_settings_are_cleaned() {
	$clean = Cartwheel_Settings::clean( array( 'capture' => 'all', 'keep_days' => '4000', 'ask_consent' => '0', 'consent_text' => "<b>Yes</b>\n please", 'more' => 1 ) );
	same( array( 'typed', 90, false, 'Yes please' ), array( $clean['capture'], $clean['keep_days'], $clean['ask_consent'], $clean['consent_text'] ) );
	same( 6, count( $clean ) );
	same( Cartwheel_Settings::clean( array() ), Cartwheel_Settings::clean( 'nonsense' ) );
	same( true, Cartwheel_Settings::clean( array() )['show_notice'] );
}

function test_the_box_is_in_both_checkouts_and_never_ticked() {
	do_action( 'woocommerce_init' );
	same( array( 'cartwheel/marketing-consent', 'contact', 'checkbox' ), array_values( array_intersect_key( World::$now->settings['block_field'], array( 'id' => 1, 'location' => 1, 'type' => 1 ) ) ) );
	$fields = apply_filters( 'woocommerce_checkout_fields', array( 'billing' => array( 'billing_email' => array( 'priority' => 110 ) ) ) );
	$box    = $fields['billing']['cartwheel_marketing_consent'];
	same( array( 'checkbox', false, 0, 111 ), array( $box['type'], $box['required'], $box['default'], $box['priority'] ) );
	holds( false !== strpos( $fields['billing']['billing_email']['description'], 'We keep your cart' ) );
	holds( false !== strpos( apply_filters( 'render_block_woocommerce/checkout', '<div>' ), 'We keep your cart' ) );
	$order = new WC_Order( 1, 'alice@example.com' );
	do_action( 'woocommerce_checkout_create_order', $order, array( 'cartwheel_marketing_consent' => 1 ) );
	same( '1', $order->meta['_wc_other/cartwheel/marketing-consent'] );
}

function test_a_shop_that_asks_itself_has_no_box_of_ours() {
	World::$now->options['cartwheel_settings'] = array( 'ask_consent' => '0', 'show_notice' => '0' );
	do_action( 'woocommerce_init' );
	holds( ! isset( World::$now->settings['block_field'] ) );
	$fields = array( 'billing' => array( 'billing_email' => array() ) );
	same( $fields, apply_filters( 'woocommerce_checkout_fields', $fields ) );
	same( '<div>', apply_filters( 'render_block_woocommerce/checkout', '<div>' ) );
}

function test_a_person_sees_what_is_kept_and_nobody_elses() {
	fill();
	type_address( 'alice@example.com', true );
	Site::request( true );
	fill();
	type_address( 'bob@example.com' );
	$exporters = apply_filters( 'wp_privacy_personal_data_exporters', array() );
	$export    = call_user_func( $exporters['cartwheel']['callback'], 'ALICE@example.com', 1 );
	$text      = json_encode( $export );
	same( array( 1, true ), array( count( $export['data'] ), $export['done'] ) );
	holds( false !== strpos( $text, 'alice@example.com' ) && false !== strpos( $text, '2 x Thing 12' ) && false !== strpos( $text, 'E-mail me news and offers' ) );
	holds( false === strpos( $text, 'bob@' ) );
	holds( false === strpos( $text, row()['token'] ), 'the key to the cart is not handed out' );
}

function test_erasing_takes_all_pages_and_tells_cartwheel_by_a_hash() {
	for ( $cart = 0; $cart < 60; $cart++ ) {
		Site::request( true );
		fill();
		type_address( 'alice@example.com' );
	}
	Site::request( true );
	fill();
	type_address( 'bob@example.com' );
	$eraser = apply_filters( 'wp_privacy_personal_data_erasers', array() )['cartwheel']['callback'];
	$first  = $eraser( 'Alice@example.com', 1 );
	same( array( true, false, 11 ), array( $first['items_removed'], $first['done'], rows() ) );
	same( array(), World::actions( 'cartwheel_shopper_deleted' ) );
	same( true, $eraser( 'Alice@example.com', 2 )['done'] );
	same( 1, rows() );
	same( array( hash( 'sha256', 'alice@example.com' ) ), World::actions( 'cartwheel_shopper_deleted' ) );
}

function test_anybody_may_ask_whether_we_are_here_and_learns_nothing_else() {
	do_action( 'rest_api_init' );
	$route = World::$now->settings['cartwheel/v1/status'];
	same( array( 'name', 'version', 'topics' ), array_keys( $route['callback']() ) );
}
