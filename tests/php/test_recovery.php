<?php
/** The way back to the cart. */

function left_cart() {
	fill();
	type_address( 'alice@example.com', true );
	$token = row()['token'];
	Site::request( true );
	World::$now->notices = array();
	return $token;
}

function follow( $token, array $more = array() ) {
	$_SERVER['REQUEST_METHOD'] = 'GET';
	$_GET                      = array( 'cartwheel_cart' => $token ) + $more;
	$end                       = ended(
		function () {
			do_action( 'wp_loaded' );
		}
	);
	Site::end();
	return $end->answer;
}

function pieces() {
	return array_sum( array_column( WC()->cart->get_cart(), 'quantity' ) );
}

function test_the_link_brings_cart_address_and_coupon_back() {
	$token = left_cart();
	same( 'https://shop.example.com/?cartwheel_cart=' . $token, Cartwheel_Recovery::url( $token ) );
	same( 'https://shop.example.com/checkout/', follow( $token, array( 'coupon' => 'BACK-7F3K' ) ) );
	same( array( 2, 'alice@example.com', array( 'back-7f3k' ) ), array( pieces(), Site::$customer->email, WC()->cart->coupons ) );
	same( array( 'coupon for alice@example.com' ), Site::$log, 'the address first' );
	same( '', Site::$customer->first_name, 'a name is not shown' );
	same( 1, rows() );
}

function test_what_is_bought_after_the_link_belongs_to_the_same_episode() {
	$token = left_cart();
	follow( $token );
	$order = new WC_Order( 80, 'alice@example.com' );
	do_action( 'woocommerce_checkout_order_processed', 80, array(), $order );
	Site::end();
	same( $token, $order->meta['_cartwheel_checkout_token'] );
	same( array( 1, 'completed' ), array( rows(), row()['status'] ) );
}

function test_a_forwarded_link_does_not_hand_the_row_to_somebody_else() {
	$token = left_cart();
	follow( $token );
	type_address( 'bob@example.com', false );
	same( 2, rows() );
	same( 'alice@example.com', Cartwheel_Checkouts::find( $token )['email'] );
	same( array( 'bob@example.com', false ), array( row()['email'], row()['consent'] ) );
}

function test_a_cart_with_other_things_is_kept_until_its_owner_says_so() {
	$token = left_cart();
	fill( 1, 13, 10 );
	same( 'https://shop.example.com/cart/', follow( $token, array( 'coupon' => 'X' ) ) );
	same( 1, pieces() );
	holds( false !== strpos( World::$now->notices[0][1], 'cartwheel_replace=good' ) );
	follow( $token, array( 'cartwheel_replace' => 'forged' ) );
	same( 1, pieces(), 'a link that somebody made up' );
	same( 'https://shop.example.com/checkout/', follow( $token, array( 'cartwheel_replace' => 'good' ) ) );
	same( 2, pieces() );
}

function test_the_same_cart_is_not_filled_twice() {
	$token = left_cart();
	follow( $token );
	follow( $token );
	same( 2, pieces() );
}

function test_what_is_sold_out_is_left_out_and_named() {
	fill();
	fill( 1, 13, 10 );
	type_address( 'alice@example.com' );
	$token = row()['token'];
	Site::request( true );
	World::$now->products[13]->is_there = false;
	unset( World::$now->products[99] );
	follow( $token );
	same( 2, pieces() );
	holds( false !== strpos( World::$now->notices[0][1], 'Thing 13' ) );
}

function test_a_bought_cart_and_a_wrong_link_restore_nothing() {
	$token = left_cart();
	foreach ( array( str_repeat( '0', 32 ), 'x', '', "' OR 1=1" ) as $wrong ) {
		same( 'https://shop.example.com/shop/', follow( $wrong ) );
	}
	global $wpdb;
	$wpdb->rows[ $token ]['status'] = 'completed';
	same( 'https://shop.example.com/shop/', follow( $token ) );
	same( array( 0, '' ), array( pieces(), Site::$customer->email ) );
}

function test_an_account_keeps_its_own_address() {
	$token                 = left_cart();
	World::$now->user_id   = 9;
	Site::$customer->email = 'bob@example.com';
	follow( $token );
	same( 'bob@example.com', Site::$customer->email );
	Site::$customer->email = '';
	follow( $token );
	same( '', Site::$customer->email, 'nor is it given one' );
}

function test_other_requests_are_not_answered() {
	$_SERVER['REQUEST_METHOD'] = 'HEAD';
	$_GET                      = array( 'cartwheel_cart' => str_repeat( '0', 32 ) );
	do_action( 'wp_loaded' );
	$_SERVER['REQUEST_METHOD'] = 'GET';
	$_GET                      = array();
	do_action( 'wp_loaded' );
	same( array(), World::$now->notices );
}

function is_admin() {
	return false;
}
